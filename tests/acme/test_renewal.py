"""Renewal information and what an order replaces (RFC 9773), with certificates named as certbot names them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from acme.client import _renewal_info_path_component as name_of
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.web.lab import Lab
from tests.web.wire import Reply
from zonemint.acme import renewal
from zonemint.core.errors import AcmeError
from zonemint.store.certificates import Certificate
from zonemint.store.opening import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/acme/acme/renewal-info"
DAY = 86400


async def ask(lab: Lab, certificate: x509.Certificate | str) -> Reply:
    name = certificate if isinstance(certificate, str) else name_of(certificate)
    return await lab.send("GET", f"{PATH}/{name}")


async def window(lab: Lab, certificate: x509.Certificate) -> tuple[datetime, datetime]:
    reply = await ask(lab, certificate)
    assert reply.status == 200
    told = reply.json()["suggestedWindow"]
    start, end = (datetime.fromisoformat(told[key]) for key in ("start", "end"))
    assert start < end
    return start, end


async def test_the_directory_has_it_and_anybody_may_ask(lab: Lab) -> None:
    assert (await lab.send("GET", "/acme/acme/directory")).json()["renewalInfo"] == f"{BASE}/renewal-info"
    leaf = await (await registered(lab)).certificate("asked.lab.test")
    reply = await ask(lab, leaf)
    assert reply.status == 200
    assert set(reply.json()) == {"suggestedWindow"}
    assert reply.header("Content-Type") == "application/json"
    assert reply.header("Retry-After") == "21600"
    assert reply.header("Cache-Control") == "public, max-age=300"
    assert reply.header("Replay-Nonce") is None
    assert reply.all("Link") == [f'<{BASE}/directory>;rel="index"']
    head = await lab.send("HEAD", f"{PATH}/{name_of(leaf)}")
    assert (head.status, head.body, head.header("Retry-After")) == (200, b"", "21600")
    assert (await ask(lab, leaf)).body == reply.body


async def test_the_window_begins_at_two_thirds_and_ends_before_the_certificate(lab: Lab) -> None:
    leaf = await (await registered(lab)).certificate("thirds.lab.test")
    start, end = await window(lab, leaf)
    length = timedelta(days=90)
    assert length * 2 / 3 <= start - leaf.not_valid_before_utc <= length * 2 / 3 + length / 25
    assert end - start == length // 25
    assert end < leaf.not_valid_after_utc


@pytest.mark.asyncio(loop_scope="function")
@given(st.integers(1, 400 * DAY), st.binary(min_size=16, max_size=16))
async def test_every_window_lies_in_the_last_third(lifetime: int, serial: bytes) -> None:
    certificate = Certificate(serial.hex(), None, None, "valid", (), "", 1000, 1000 + lifetime - 1, 1000)
    start, end = renewal.window(certificate, None)
    assert 1000 + lifetime * 2 // 3 <= start < end <= 1000 + lifetime + 1
    assert (start, end) == renewal.window(certificate, None)
    if lifetime > DAY:
        assert end <= 1000 + lifetime * 3 // 4


@pytest.mark.asyncio(loop_scope="function")
async def test_certificates_of_one_hour_are_spread() -> None:
    starts = {
        renewal.window(Certificate(f"{n:032x}", None, None, "valid", (), "", 0, 90 * DAY - 1, 0), None)[0]
        for n in range(200)
    }
    assert max(starts) - min(starts) > 3 * DAY


async def test_one_that_lives_for_days_is_looked_at_more_often(lab: Lab) -> None:
    client = await registered(lab)
    end = datetime.now(UTC) + timedelta(hours=12)
    _, order = await client.ready_order("brief.lab.test", notAfter=f"{end:%Y-%m-%dT%H:%M:%SZ}")
    leaf = await finished(client, order, "brief.lab.test")
    assert int((await ask(lab, leaf)).header("Retry-After") or 0) in range(3600, 4000)


async def test_a_revoked_certificate_is_overdue(lab: Lab) -> None:
    client = await registered(lab)
    leaf = await client.certificate("revoked.lab.test")
    done = await client.post(f"{BASE}/revoke-cert", {"certificate": b64url(leaf.public_bytes(Encoding.DER))})
    assert done.status == 200
    _, end = await window(lab, leaf)
    assert end <= datetime.now(UTC)


async def test_another_certificate_of_a_compromised_key_is_overdue(lab: Lab) -> None:
    client = await registered(lab)
    key = ec.generate_private_key(ec.SECP256R1())
    stolen, other = [await client.certificate(f"{one}.lab.test", key=key) for one in ("stolen", "other")]
    unhurt = await client.certificate("unhurt.lab.test")
    revocation = {"certificate": b64url(stolen.public_bytes(Encoding.DER)), "reason": 1}
    assert (await client.post(f"{BASE}/revoke-cert", revocation)).status == 200
    now = datetime.now(UTC)
    assert (await window(lab, other))[1] <= now < (await window(lab, unhurt))[0]


async def test_certificates_of_an_issuer_that_was_replaced_are_renewed_within_a_time(lab: Lab) -> None:
    leaf = await (await registered(lab)).certificate("rolled.lab.test")
    issuer = lab.authority.intermediate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value.key_identifier
    now = int(lab.clock())
    db = await open_store(lab.config.store.database, lab.data.database)
    told = await db.read(renewal.information(name_of(leaf), {issuer: (now, now + DAY)}.get))
    assert now <= told.start < told.end <= now + DAY
    told = await db.read(renewal.information(name_of(leaf), {b"another": (now, now + DAY)}.get))
    assert told.start > now + DAY
    await db.close()


@pytest.mark.asyncio(loop_scope="function")
@given(st.integers(1, 400 * DAY), st.integers(0, 400 * DAY), st.integers(1, 30 * DAY))
async def test_certificates_of_a_replaced_issuer_are_spread_over_the_time(life: int, after: int, period: int) -> None:
    def of(n: int) -> Certificate:
        return Certificate(f"{n:032x}", None, None, "valid", (), "", 1000, 1000 + life - 1, 1000)

    span = (1000 + after, 1000 + after + period)
    windows = [renewal.window(of(n), None, span) for n in range(50)]
    for n, (start, end) in enumerate(windows):
        # Never later than it would be, and within the time where that comes sooner.
        assert start <= renewal.window(of(n), None)[0]
        assert start < end
        assert end <= span[1] or start < span[0] or period == 1
        assert (start, end) == renewal.window(of(n), None, span)
    if period > DAY and after + period < life * 2 // 3:
        assert max(windows)[0] - min(windows)[0] > period // 2


NAMES: dict[str, tuple[str, int]] = {
    "one part": ("AAAA", 400),
    "three parts": ("AAAA.AAAA.AAAA", 400),
    "no key identifier": (".AQ", 400),
    "no serial": ("AAAA.", 400),
    "padding": ("AAAA.AQ==", 400),
    "plain base64": ("++++.AQ", 400),
    "bits that mean nothing": ("AAAA.AR", 400),
    "a negative serial": ("AAAA.gA", 400),
    "the serial zero": ("AAAA.AA", 400),
    "a longer serial than DER has": ("AAAA.AAE", 400),
    "a serial of 21 octets": ("AAAA." + b64url(b"\1" * 21), 400),
    "a key identifier without end": (b64url(b"\1" * 65) + ".AQ", 400),
    "an unknown certificate": ("AAAA.AQ", 404),
}


@pytest.mark.parametrize(("name", "status"), NAMES.values(), ids=NAMES)
async def test_a_name_that_is_none(lab: Lab, name: str, status: int) -> None:
    reply = await ask(lab, name)
    assert (reply.status, reply.problem) == (status, "malformed")
    assert reply.header("Replay-Nonce") is None
    client = await registered(lab)
    assert_refused(await client.order("a.lab.test", replaces=name), status, "malformed")
    assert (await client.post(f"{client.kid}/orders")).json() == {"orders": []}


async def test_a_known_serial_of_another_issuer_is_not_ours(lab: Lab) -> None:
    client = await registered(lab)
    leaf = await client.certificate("issuer.lab.test")
    name = b64url(b"\1" * 20) + "." + name_of(leaf).partition(".")[2]
    assert (await ask(lab, name)).status == 404
    assert_refused(await client.order("issuer.lab.test", replaces=name), 404, "malformed")


async def test_it_takes_get_and_a_known_server(lab: Lab) -> None:
    posted = await lab.send("POST", f"{PATH}/AAAA.AQ")
    assert (posted.status, posted.header("Allow")) == (405, "GET, HEAD")
    assert (await lab.send("GET", "/acme/other/renewal-info/AAAA.AQ")).status == 404


@pytest.mark.asyncio(loop_scope="function")
@given(st.one_of(st.text(max_size=80), st.from_regex(r"[A-Za-z0-9_-]{0,30}\.[A-Za-z0-9_-]{0,30}", fullmatch=True)))
async def test_a_name_is_read_or_malformed(text: str) -> None:
    try:
        named = renewal.parse(text)
    except AcmeError:
        return
    number = int(named.serial, 16)
    assert number > 0
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    assert f"{b64url(named.key_id)}.{b64url(serial)}" == text


@pytest.mark.asyncio(loop_scope="function")
@given(st.binary(min_size=1, max_size=64), st.integers(1, (1 << 159) - 1))
async def test_every_name_is_read(key_id: bytes, number: int) -> None:
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    assert renewal.parse(f"{b64url(key_id)}.{b64url(serial)}") == (key_id, f"{number:x}")


# What an order replaces


async def finished(client: Client, order: dict[str, Any], *names: str) -> x509.Certificate:
    done = (await client.post(order["finalize"], {"csr": b64url(csr_of(*names))})).json()
    return x509.load_pem_x509_certificates((await client.post(done["certificate"])).body)[0]


async def test_a_certificate_is_replaced_once(lab: Lab) -> None:
    client = await registered(lab)
    first = name_of(await client.certificate("a.once.lab.test", "b.once.lab.test"))
    # Orders that say so while none is finalized stand beside each other; one shared name is enough.
    url, order = await client.ready_order("b.once.lab.test", "c.once.lab.test", replaces=first)
    beside, other = await client.ready_order("a.once.lab.test", replaces=first)
    assert order["replaces"] == (await client.post(url)).json()["replaces"] == first
    second = await finished(client, order, "b.once.lab.test", "c.once.lab.test")
    refused = await client.order("a.once.lab.test", replaces=first)
    assert_refused(refused, 409, "alreadyReplaced")
    assert "leave 'replaces' out" in refused.json()["detail"]
    (detail,) = [
        text for (text,) in lab.rows("SELECT detail FROM audit WHERE subject = ?", f"{second.serial_number:x}")
    ]
    assert json.loads(detail)["replaces"] == renewal.parse(first).serial
    # The one that was accepted beside it goes on, and the first one keeps the mark.
    await finished(client, other, "a.once.lab.test")
    rows = lab.rows("SELECT replaced_by FROM certificates WHERE serial = ?", renewal.parse(first).serial)
    assert rows == [(url.rpartition("/")[2],)]
    assert (await client.post(beside)).json()["replaces"] == first
    # The next one in the chain is replaced in its turn.
    assert (await client.order("c.once.lab.test", replaces=name_of(second))).status == 201


async def test_an_order_that_fails_replaces_nothing(lab: Lab) -> None:
    client = await registered(lab)
    name = name_of(await client.certificate("kept.lab.test"))
    _, order = await client.ready_order("kept.lab.test", replaces=name)
    await client.post(order["authorizations"][0], {"status": "deactivated"})
    assert (await client.order("kept.lab.test", replaces=name)).status == 201


async def test_an_order_without_it_has_no_such_member(lab: Lab) -> None:
    assert "replaces" not in (await (await registered(lab)).order("plain.lab.test")).json()


async def test_nobody_replaces_the_certificate_of_another(lab: Lab) -> None:
    owner, other = await registered(lab), await registered(lab)
    name = name_of(await owner.certificate("owned.lab.test"))
    assert_refused(await other.order("owned.lab.test", replaces=name), 403, "unauthorized")


async def test_a_replacement_shares_a_name(lab: Lab) -> None:
    client = await registered(lab)
    name = name_of(await client.certificate("shared.lab.test"))
    assert_refused(await client.order("*.shared.lab.test", replaces=name), 400, "malformed")


async def test_what_replaces_is_a_text(lab: Lab) -> None:
    client = await registered(lab)
    assert_refused(await client.order("a.lab.test", replaces=7), 400, "malformed")
