"""Accounts: found, made, changed, given up, given another key (RFC 8555 section 7.3)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import msgspec
import pytest

from tests.acme.client import BASE, Client, registered
from tests.acme.signing import Draft, Signer, es256
from tests.acme.test_requests import assert_refused
from tests.web.lab import Lab
from tests.web.wire import Reply
from zonemint.store import orders, sqlite
from zonemint.store.database import Steps
from zonemint.store.opening import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = f"{BASE}/new-account"


async def test_the_same_key_finds_its_account(lab: Lab) -> None:
    client = Client(lab)
    made = await client.register(contact=["mailto:a@lab.test"])
    again = Client(lab, client.signer)
    found = await again.register(contact=["mailto:other@lab.test"])
    assert (made.status, found.status) == (201, 200)
    assert again.kid == client.kid
    assert found.json() == made.json()
    assert (await Client(lab, client.signer).register(onlyReturnExisting=True)).header("Location") == client.kid


async def test_eight_registrations_of_a_key_at_once_make_one_account(lab: Lab) -> None:
    client = Client(lab)
    bodies = [(await client.draft(NEW, {})).body() for _ in range(8)]
    replies = await asyncio.gather(*(client.send(NEW, body) for body in bodies))
    assert sorted(reply.status for reply in replies) == [200] * 7 + [201]
    assert len({reply.header("Location") for reply in replies}) == 1


async def test_only_return_existing_makes_none(lab: Lab) -> None:
    client = Client(lab)
    assert_refused(await client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")
    assert (await client.register()).status == 201


CONTACTS: dict[str, tuple[list[object], str]] = {
    "telephone": (["tel:+12025551212"], "unsupportedContact"),
    "web": (["https://lab.test"], "unsupportedContact"),
    "no scheme": (["admin@lab.test"], "unsupportedContact"),
    "no address": (["mailto:"], "invalidContact"),
    "no at sign": (["mailto:admin"], "invalidContact"),
    "two addresses": (["mailto:a@lab.test,b@lab.test"], "invalidContact"),
    "header fields": (["mailto:a@lab.test?subject=x"], "invalidContact"),
    "line break": (["mailto:a@lab.test\r\nBcc: b@lab.test"], "invalidContact"),
    "second of two is bad": (["mailto:a@lab.test", "mailto:b"], "invalidContact"),
    "eleven": ([f"mailto:a{n}@lab.test" for n in range(11)], "invalidContact"),
    "a number": ([7], "malformed"),
}


@pytest.mark.parametrize(("contact", "problem"), CONTACTS.values(), ids=CONTACTS)
async def test_a_contact_that_is_refused(lab: Lab, contact: list[object], problem: str) -> None:
    assert_refused(await Client(lab).register(contact=contact), 400, problem)
    client = await registered(lab)
    assert client.kid is not None
    assert_refused(await client.post(client.kid, {"contact": contact}), 400, problem)
    assert (await client.post(client.kid)).json()["contact"] == []


async def test_contacts_change_and_nothing_else_does(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    before = (await client.post(client.kid)).json()
    changed = await client.post(client.kid, {"contact": ["MAILTO:new@lab.test"], "orders": "x", "unknown": 1})
    assert (changed.status, changed.header("Location")) == (200, client.kid)
    assert changed.json() == {**before, "contact": ["MAILTO:new@lab.test"]}
    assert (await client.post(client.kid, {})).json() == changed.json()
    assert (await client.post(client.kid, {"contact": []})).json() == before


@pytest.mark.parametrize("status", ["revoked", "pending", "", "DEACTIVATED"])
async def test_another_status_is_ignored(lab: Lab, status: str) -> None:
    client = await registered(lab)
    assert client.kid is not None
    reply = await client.post(client.kid, {"status": status, "contact": ["mailto:a@lab.test"]})
    assert (reply.status, reply.json()["status"], reply.json()["contact"]) == (200, "valid", ["mailto:a@lab.test"])


async def test_a_deactivated_account_can_do_nothing(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    gone = await client.post(client.kid, {"status": "deactivated"})
    assert (gone.status, gone.json()["status"]) == (200, "deactivated")
    assert_refused(await client.post(client.kid), 401, "unauthorized")
    assert_refused(await client.order("a.lab.test"), 401, "unauthorized")
    assert_refused(await Client(lab, client.signer).register(), 401, "unauthorized")


async def test_another_account_is_not_shown(lab: Lab) -> None:
    one, two = await registered(lab), await registered(lab)
    assert one.kid is not None
    assert_refused(await two.post(one.kid), 403, "unauthorized")
    assert_refused(await two.post(f"{one.kid}/orders"), 403, "unauthorized")
    assert_refused(await two.post(one.kid, {"status": "deactivated"}), 403, "unauthorized")
    assert (await one.post(one.kid)).json()["status"] == "valid"


async def test_the_list_of_orders_comes_in_pages(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    first = (await client.order("a.lab.test")).header("Location")
    assert first is not None
    template = lab.rows("SELECT id FROM orders WHERE id = ?", first.rpartition("/")[2])[0][0]
    db = await open_store(lab.config.store.database, lab.data.database)
    row = await db.read(orders.by_id(template))
    assert row is not None

    def fill() -> Steps[None]:
        for number in range(249):
            yield from orders.insert(_renamed(row, f"{template}{number:03}"))

    await db.write(fill())
    await db.close()
    seen, url = [], f"{client.kid}/orders"
    sizes = []
    while url:
        page = await client.post(url)
        sizes.append(len(page.json()["orders"]))
        seen += page.json()["orders"]
        following = [link for link in page.all("Link") if link.endswith('rel="next"')]
        url = following[0].partition(">")[0][1:] if following else ""
    assert sizes == [100, 100, 50]
    assert len(set(seen)) == 250
    assert seen[0] == first
    assert_refused(await client.post(f"{client.kid}/orders", {}), 400, "malformed")


def _renamed(order: orders.Order, id_: str) -> orders.Order:
    return msgspec.structs.replace(order, id=id_, authorizations=())


# Key change: section 7.3.5

CHANGE = f"{BASE}/key-change"


async def change_key(client: Client, new: Signer, *, protected: dict[str, Any] | None = None, **payload: Any) -> Reply:
    """Ask for another key, with members of the inner JWS put in place of its own; None takes one away."""
    header = {"alg": new.alg, "jwk": new.jwk, "url": CHANGE, **(protected or {})}
    inner = Draft(
        {name: value for name, value in header.items() if value is not None},
        json.dumps({"account": client.kid, "oldKey": client.signer.jwk, **payload}).encode(),
        new,
    )
    return await client.post(CHANGE, json.loads(inner.body()))


async def test_after_a_key_change_only_the_new_key_signs(lab: Lab) -> None:
    client, new = await registered(lab), es256()
    assert client.kid is not None
    changed = await change_key(client, new)
    assert (changed.status, changed.header("Location")) == (200, client.kid)
    assert_refused(await client.post(client.kid), 400, "malformed")
    old, client.signer = client.signer, new
    assert (await client.post(client.kid)).json()["status"] == "valid"
    assert (await Client(lab, new).register()).status == 200
    assert (await Client(lab, old).register()).status == 201


INNER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another account": ({}, {"account": f"{BASE}/account/another"}),
    "another old key": ({}, {"oldKey": es256().jwk}),
    "no old key": ({}, {"oldKey": None}),
    "no jwk": ({"jwk": None, "kid": "x"}, {}),
    "jwk of another key": ({"jwk": es256().jwk}, {}),
    "another url": ({"url": NEW}, {}),
    "no url": ({"url": None}, {}),
    "a nonce": ({"nonce": "AAAA"}, {}),
}


@pytest.mark.parametrize(("protected", "payload"), INNER.values(), ids=INNER)
async def test_a_key_change_that_is_refused(lab: Lab, protected: dict[str, Any], payload: dict[str, Any]) -> None:
    client = await registered(lab)
    assert client.kid is not None
    assert_refused(await change_key(client, es256(), protected=protected, **payload), 400, "malformed")
    assert (await client.post(client.kid)).status == 200


async def test_a_key_in_use_is_a_conflict_that_names_its_account(lab: Lab) -> None:
    one, two = await registered(lab), await registered(lab)
    for signer, holder in ((two.signer, two), (one.signer, one)):
        refused = await change_key(one, signer)
        assert_refused(refused, 409, "malformed")
        assert refused.header("Location") == holder.kid


# Requests that were verified before another one changed their account.


def slow_sync(log: int) -> None:
    """A disk that takes its time, so that requests meet in the middle of each other."""
    time.sleep(0.02)
    os.fdatasync(log)


async def test_an_account_that_was_given_up_stays_so_whatever_comes_at_the_same_time(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await registered(lab)
    assert client.kid is not None
    wishes: list[dict[str, object]] = [{"status": "deactivated"}]
    wishes += [{"contact": [f"mailto:{name}@lab.test"]} for name in "abcd"]
    bodies = [(await client.draft(client.kid, wish)).body() for wish in wishes]
    monkeypatch.setattr(sqlite, "_sync", slow_sync)
    # While this is written, all of those are verified.
    busy = asyncio.create_task(lab.send("POST", "/register"))
    replies = await asyncio.gather(*(client.send(client.kid, body) for body in bodies), busy)
    assert replies[0].status == 200
    assert {reply.status for reply in replies[1:-1]} <= {200, 401}
    assert lab.rows("SELECT status FROM accounts WHERE id = ?", client.kid.rpartition("/")[2]) == [("deactivated",)]
    assert_refused(await client.post(client.kid), 401, "unauthorized")


async def test_of_two_new_keys_at_once_one_is_taken(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await registered(lab)
    monkeypatch.setattr(sqlite, "_sync", slow_sync)
    busy = asyncio.create_task(lab.send("POST", "/register"))
    replies = await asyncio.gather(*(change_key(client, es256()) for _ in range(5)), busy)
    # The old key of the others is no longer the account's.
    assert [reply.status for reply in replies[:-1]].count(200) == 1
