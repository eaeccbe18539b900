"""Accounts that clients keep with us, asked for as lego asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.acmedns.test_registration import VALUE, basic, bearer, token, update
from tests.web.lab import Lab
from tests.web.wire import Reply
from zonemint.acmedns import administration, storage, tokens
from zonemint.acmedns.context import AcmeDns
from zonemint.core.errors import AcmeDnsError
from zonemint.store.database import Lock, Rows, Step, Steps
from zonemint.store.opening import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

Account = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(lab: Lab) -> AsyncIterator[str]:
    yield await token(lab, "storage", names=("*.lab.test", "www.example.com"))


async def get(lab: Lab, key: str, path: str) -> Reply:
    return await lab.send("GET", f"/storage{path}", basic(key) | {"Accept": "application/json"})


async def put(lab: Lab, key: str, domain: str, account: Account, **changes: object) -> Reply:
    """What goacmedns marshals: all members of its Account, `server_url` maybe empty."""
    body = json.dumps({**account, "server_url": "", **changes}).encode() + b"\n"
    return await lab.send("POST", f"/storage/{domain}", basic(key) | {"Content-Type": "application/json"}, body)


async def registered(lab: Lab) -> Account:
    account: Account = (await lab.send("POST", "/register", body=b"null\n")).json()
    return account


async def test_the_whole_of_what_lego_does_needs_no_manual_step(lab: Lab, key: str) -> None:
    assert (await get(lab, key, "/first.lab.test")).status == 404
    account = await registered(lab)
    reply = await put(lab, key, "first.lab.test", account)
    assert (reply.status, reply.body) == (201, b"")
    # lego updates at once, and the CNAME leads there in the next answer.
    assert (await update(lab, account)).status == 200
    assert await lab.texts("_acme-challenge.first.lab.test") == [VALUE]
    # The next run finds it.
    found = await get(lab, key, "/first.lab.test")
    assert found.status == 200
    assert found.header("Cache-Control") == "no-store"
    assert found.json() == {
        **{name: account[name] for name in ("fulldomain", "subdomain", "username", "password")},
        "server_url": "https://ca.lab.test",
    }
    assert (await get(lab, key, "")).json()["first.lab.test"] == found.json()
    assert lab.rows("SELECT scope FROM txt_accounts WHERE username = ?", account["username"]) == [
        ('["first.lab.test"]',)
    ]


async def test_a_domain_of_others_is_kept_and_its_owner_makes_the_cname(lab: Lab, key: str) -> None:
    account = await registered(lab)
    assert (await put(lab, key, "www.example.com", account)).status == 200
    assert (await get(lab, key, "/www.example.com")).json()["username"] == account["username"]


async def test_the_same_token_may_lead_a_name_elsewhere_and_nobody_else_may(lab: Lab, key: str) -> None:
    first, second = await registered(lab), await registered(lab)
    assert (await put(lab, key, "moved.lab.test", first)).status == 201
    assert (await put(lab, key, "moved.lab.test", first)).status == 201
    assert (await put(lab, key, "moved.lab.test", second)).status == 201
    assert (await update(lab, second)).status == 200
    assert await lab.texts("_acme-challenge.moved.lab.test") == [VALUE]
    stranger = await token(lab, "storage", names=("*",))
    third = await registered(lab)
    reply = await put(lab, stranger, "moved.lab.test", third)
    assert (reply.status, reply.body) == (409, b'{"error": "cname_exists"}')
    assert (await get(lab, stranger, "/moved.lab.test")).status == 404
    assert await lab.texts("_acme-challenge.moved.lab.test") == [VALUE]
    # The refused account was left as it is.
    assert lab.rows("SELECT scope FROM txt_accounts WHERE username = ?", third["username"]) == [("[]",)]


async def test_what_a_person_made_stays(lab: Lab, key: str) -> None:
    await lab.add_record("_acme-challenge.mine.lab.test", "CNAME", "elsewhere.lab.test.")
    await lab.add_record("_acme-challenge.text.lab.test", "TXT", '"by hand"')
    for domain in ("mine.lab.test", "text.lab.test"):
        assert (await put(lab, key, domain, await registered(lab))).status == 409
    assert (await lab.ask("_acme-challenge.mine.lab.test", "CNAME")).answer[0][0].target.to_text() == (
        "elsewhere.lab.test."
    )


async def test_an_account_of_somebody_else_is_not_taken(lab: Lab, key: str) -> None:
    account, other = await registered(lab), await registered(lab)
    for changes in (
        {"password": "A" * 40},
        {"username": other["username"]},
        {"subdomain": other["subdomain"]},
        {"subdomain": None},
    ):
        assert (await put(lab, key, "taken.lab.test", account, **changes)).status == 403, changes
    for changes in ({"password": None}, {"username": 7}, {"password": "A" * 65}):
        assert (await put(lab, key, "taken.lab.test", account, **changes)).status == 400, changes
    assert not (await lab.ask("_acme-challenge.taken.lab.test", "CNAME")).answer
    # One account is for one domain.
    assert (await put(lab, key, "one.lab.test", account)).status == 201
    assert (await put(lab, key, "two.lab.test", account)).status == 403


@pytest.mark.parametrize("domain", ["lab.test", "example.com", "x.example.com", "lab.test.evil.test"])
async def test_a_domain_that_the_token_is_not_for(lab: Lab, key: str, domain: str) -> None:
    assert (await put(lab, key, domain, await registered(lab))).status == 403
    assert (await get(lab, key, f"/{domain}")).status == 403


@pytest.mark.parametrize(
    "domain", ["*.lab.test", "_acme-challenge.lab.test", "a..lab.test", "%2e%2e", "x" * 70, "x." * 115 + "lab.test"]
)
async def test_a_domain_that_is_none(lab: Lab, key: str, domain: str) -> None:
    assert (await put(lab, key, domain, await registered(lab))).status == 400


@pytest.mark.parametrize("domain", ["x.auth.lab.test", "ca.lab.test", "ns1.lab.test", "CA.lab.test."])
async def test_our_own_names_lead_nowhere(lab: Lab, key: str, domain: str) -> None:
    """The token is for every name below the domain, and yet not for the authority's own."""
    account = await registered(lab)
    assert (await put(lab, key, domain, account)).status == 400


async def test_it_is_closed_without_a_token_that_says_so(lab: Lab) -> None:
    account = await registered(lab)
    weak = await token(lab, "register", "admin", names=("*",))
    nameless = await token(lab, "storage")
    body = json.dumps(account).encode()
    for headers, status in (({}, 401), (bearer(weak), 401), (bearer("x"), 401), (bearer(nameless), 403)):
        for method in ("GET", "POST"):
            reply = await lab.send(method, "/storage/closed.lab.test", headers, body if method == "POST" else b"")
            assert reply.status == status
            if status == 401:
                assert reply.header("WWW-Authenticate") == 'Basic realm="zonemint"'
    assert not (await lab.ask("_acme-challenge.closed.lab.test", "CNAME")).answer


async def test_no_password_is_in_the_store_and_another_token_opens_nothing(lab: Lab, key: str) -> None:
    account = await registered(lab)
    assert (await put(lab, key, "sealed.lab.test", account)).status == 201
    ((sealed,),) = lab.rows("SELECT sealed FROM txt_storage WHERE domain = ?", "sealed.lab.test")
    assert account["password"].encode() not in bytes(sealed)
    assert key.encode() not in bytes(sealed)
    other = await token(lab, "storage", names=("*",))
    assert (await get(lab, other, "/sealed.lab.test")).status == 404
    assert (await get(lab, other, "")).json() == {}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"username":1}', b'{"a":' * 3000])
async def test_a_body_that_is_no_account(lab: Lab, key: str, body: bytes) -> None:
    assert (await lab.send("POST", "/storage/body.lab.test", basic(key), body)).status == 400


@pytest.mark.parametrize("deed", ["rescope", "rotate", "delete", "revoke"])
async def test_what_an_administrator_does_meanwhile_stands(lab: Lab, deed: str) -> None:
    account, key = await registered(lab), await token(lab, "storage", names=("*",))
    db = await open_store(lab.config.store.database, lab.data.database)
    bearer = await tokens.recognise(db, key, "storage", now_ms=0)
    known = await db.read(administration.find(account["username"]))
    assert bearer is not None
    assert known is not None
    by: dict[str, Any] = {"actor": "test", "via": "test", "now": lab.clock()}

    async def alias(domain: str, target: str, *, actor: str, also: Callable[[], Steps[None]]) -> bool:
        """Has it done between the look at the account and the change."""
        deeds: dict[str, Callable[[], Steps[Any]]] = {
            "rescope": lambda: administration.rescope(known, ["other.lab.test"], **by),
            "rotate": lambda: administration.rotate(known, **by),
            "delete": lambda: administration.delete(known, **by),
            "revoke": lambda: tokens.revoke(bearer.token.id, **by),
        }
        await db.write(deeds[deed]())
        await db.write(also())
        return False

    acmedns = AcmeDns(db, lab.clock, ("auth.lab.test",), None, 2, 60.0, "", tells_url=False, alias=alias)
    try:
        with pytest.raises(AcmeDnsError, match="forbidden"):
            await storage.keep(acmedns, bearer, "meanwhile.lab.test", account, "127.0.0.1")
    finally:
        await db.close()
    assert lab.rows("SELECT domain FROM txt_storage WHERE subdomain = ?", account["subdomain"]) == []
    if deed == "rescope":
        assert lab.rows("SELECT scope FROM txt_accounts WHERE username = ?", account["username"]) == [
            ('["other.lab.test"]',)
        ]


async def test_a_deletion_takes_the_cname_that_was_made_while_it_waited(lab: Lab, key: str) -> None:
    account = await registered(lab)
    db = await open_store(lab.config.store.database, lab.data.database)
    known = await db.read(administration.find(account["username"]))
    assert known is not None
    steps = administration.delete(known, actor="test", via="test", now=lab.clock())

    def alone(step: Step) -> Steps[Rows]:
        return (yield step)

    gone = None
    try:
        step = next(steps)
        while True:
            if step == Lock(f"txt {known.subdomain}"):
                assert (await put(lab, key, "late.lab.test", account)).status == 201
            step = steps.send(await db.write(alone(step)))
    except StopIteration as done:
        gone = done.value
    finally:
        await db.close()
    assert gone == ["_acme-challenge.late.lab.test"]
    assert not lab.rows("SELECT name FROM records WHERE name = ?", "_acme-challenge.late.lab.test")
