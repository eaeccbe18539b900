from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from zonemint.cli.demo import steps
from zonemint.cli.demo.evidence import Holding, Story
from zonemint.clients.accounts import Account
from zonemint.core.errors import NotHeld
from zonemint.core.trace import Event
from zonemint.pki import authority
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.orders import Identifier, Order

_NAME = "server-1.lab.test"
_ALIAS = f"_acme-challenge.{_NAME}"
_TARGET = "d5f8fda0.auth.lab.test"
_QUESTION = {"name": _ALIAS, "type": "TXT", "rcode": "NOERROR"}


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Holding:
    folder = tmp_path_factory.mktemp("data") / "pki"
    certificate = authority.create(folder, name="Lab", domains=["lab.test"], now=time.time()).intermediate
    account = Account("user", "password", _TARGET, "d5f8fda0", (), "https://ca.lab.test")
    return Holding(account, 1.5, certificate)


@pytest.fixture
def story(holding: Holding) -> Story:
    serial = f"{holding.certificate.serial_number:x}"
    answer = f"TXT {_ALIAS}? NOERROR: {_ALIAS} CNAME {_TARGET}; {_TARGET} TXT other; {_TARGET} TXT proof"
    events = (
        Event(1, "registered", "zonemint register", "acme-dns", f"got the name {_TARGET}"),
        Event(1, "alias", "zonemint register", "dns", f"{_ALIAS} CNAME {_TARGET}."),
        Event(2, "order", "192.0.2.1", "ca", f"asked for a certificate for {_NAME}"),
        Event(3, "txt-update", "192.0.2.2", "acme-dns", f"set TXT {_TARGET} to proof"),
        Event(4, "challenge", "192.0.2.1", "ca", "is prepared for dns-01"),
        Event(5, "dns-query", "ca", "192.0.2.3:53", answer, 0.5, _QUESTION),
        Event(6, "valid", "ca", detail="dns-01 holds"),
        Event(7, "finalize", "192.0.2.1", "ca", "sent a CSR (237 octets)"),
        Event(8, "issued", "ca", detail="signed the certificate", ms=0.4, data={"serial": serial}),
        Event(9, "download", "192.0.2.1", "ca", "fetched the certificate"),
    )
    dns01 = Challenge("dns-01", "token", "valid")
    authorization = Authorization("1", "1", "1", "dns", _NAME, False, "valid", (dns01,), 0, 99)
    name = Identifier("dns", _NAME)
    order = Order("1", "1", "acme", "valid", (name,), ("1",), "default", None, None, 0, 99, serial, "process")
    return Story(order, (authorization,), events)


def _tell(story: Story, holding: Holding) -> list[steps.Step]:
    return list(steps.eleven(story, holding, auth_zone="auth.lab.test"))


def test_who_asks_whom_in_the_eleven_steps(story: Story, holding: Holding) -> None:
    told = _tell(story, holding)
    assert [(step.who, step.whom, step.at) for step in told] == [
        ("zonemint register", "acme-dns", 1),
        ("acme-dns", "zonemint register", 1.5),
        ("zonemint register", "dns", 1),
        ("192.0.2.1", "ca", 2),
        ("192.0.2.2", "acme-dns", 3),
        ("192.0.2.1", "ca", 7),
        ("ca", "192.0.2.3:53", 5),
        ("192.0.2.3:53", "ca", 5),
        ("192.0.2.3:53", "ca", 5),
        ("ca", "192.0.2.1", 6),
        ("ca", "192.0.2.1", 8),
    ]
    assert "password" not in told[1].answer.replace("username, password, fulldomain", "")
    assert told[8].answer == "other, proof"


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("registered", 1),
        ("alias", 3),
        ("order", 4),
        ("txt-update", 5),
        ("finalize", 6),
        ("challenge", 7),
        ("dns-query", 7),
        ("valid", 10),
        ("issued", 11),
        ("download", 11),
    ],
)
def test_a_step_without_its_event_does_not_hold(story: Story, holding: Holding, what: str, number: int) -> None:
    poorer = replace(story, events=tuple(event for event in story.events if event.what != what))
    with pytest.raises(NotHeld, match=rf"^step {number} did not hold: "):
        _tell(poorer, holding)


def _detail(what: str, old: str, new: str) -> Callable[[Story], Story]:
    def change(story: Story) -> Story:
        return replace(
            story,
            events=tuple(
                msgspec.structs.replace(event, detail=event.detail.replace(old, new)) if event.what == what else event
                for event in story.events
            ),
        )

    return change


def _order(**fields: object) -> Callable[[Story], Story]:
    return lambda story: replace(story, order=msgspec.structs.replace(story.order, **fields))


def _authorization(**fields: object) -> Callable[[Story], Story]:
    return lambda story: replace(
        story, authorizations=tuple(msgspec.structs.replace(one, **fields) for one in story.authorizations)
    )


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (_detail("registered", _TARGET, "another.auth.lab.test"), 2),
        (_detail("alias", _NAME, "server-2.lab.test"), 3),
        (_authorization(challenges=()), 4),
        (_order(serial=None), 6),
        (_detail("dns-query", f"CNAME {_TARGET}", "CNAME another.auth.lab.test"), 8),
        (_detail("dns-query", f"{_ALIAS} CNAME {_TARGET}; ", ""), 8),
        (_detail("dns-query", "TXT proof", "TXT poof"), 9),
        (_authorization(status="pending"), 10),
        (_order(status="processing"), 11),
    ],
)
def test_a_step_that_does_not_fit_the_rest_does_not_hold(
    story: Story, holding: Holding, change: Callable[[Story], Story], number: int
) -> None:
    with pytest.raises(NotHeld, match=rf"^step {number} did not hold: "):
        _tell(change(story), holding)


def test_the_certificate_must_be_the_one_that_was_issued(story: Story, holding: Holding) -> None:
    events = [
        msgspec.structs.replace(event, data={"serial": "1"}) if event.what == "issued" else event
        for event in story.events
    ]
    with pytest.raises(NotHeld, match=r"^step 11 did not hold: the client holds serial "):
        _tell(replace(story, events=tuple(events)), holding)
