"""The admin API: what it says, who may ask, and that DNS and the audit log follow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acmedns.test_registration import basic, bearer, token, update
from tests.web.lab import Lab
from tests.web.wire import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNTS = "/api/v1/txt-accounts"
VALUE = "v" * 43


async def ask(lab: Lab, method: str, path: str, body: object = None, key: str = "") -> Reply:
    key = key or await token(lab, "admin")
    return await lab.send(method, path, bearer(key), b"" if body is None else json.dumps(body).encode())


async def registered(lab: Lab) -> dict[str, Any]:
    account: dict[str, Any] = (await lab.send("POST", "/register")).json()
    return account


def events(lab: Lab, subject: str) -> list[str]:
    return [event for (event,) in lab.rows("SELECT event FROM audit WHERE subject = ? ORDER BY sequence", subject)]


async def test_it_is_closed_without_a_token_that_says_admin(lab: Lab) -> None:
    account = await registered(lab)
    weak = await token(lab, "register", "storage", names=("*",))
    for headers in ({}, bearer(weak), bearer("x"), basic(weak), {"X-Api-User": account["username"]}):
        for method, path in (
            ("GET", ACCOUNTS),
            ("GET", f"{ACCOUNTS}/{account['username']}"),
            ("DELETE", f"{ACCOUNTS}/{account['username']}"),
            ("POST", f"{ACCOUNTS}/{account['username']}/key"),
            ("PUT", f"{ACCOUNTS}/{account['username']}/scope"),
            ("GET", "/api/v1/acme-accounts"),
            ("POST", "/api/v1/acme-accounts/x/deactivate"),
        ):
            reply = await lab.send(method, path, headers)
            assert (reply.status, reply.header("WWW-Authenticate")) == (401, "Bearer")
            assert reply.header("Content-Type") == "application/problem+json"
    assert (await update(lab, account)).status == 200


async def test_the_list_is_in_pages(lab: Lab) -> None:
    known = {(await registered(lab))["username"] for _ in range(3)}
    seen: list[str] = []
    after = ""
    while True:
        page = (await ask(lab, "GET", f"{ACCOUNTS}?limit=2&after={after}")).json()
        assert len(page["accounts"]) <= 2
        seen += [one["username"] for one in page["accounts"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert known <= set(seen)
    assert seen == sorted(set(seen))
    for query in ("limit=0", "limit=x", "limit=1001", "limit=-1", "&" * 10):
        assert (await ask(lab, "GET", f"{ACCOUNTS}?{query}")).status == 400


async def test_an_account_is_shown_and_no_hash_of_its_key(lab: Lab) -> None:
    account = await registered(lab)
    await update(lab, account)
    await lab.add_record("_acme-challenge.shown.lab.test", "CNAME", account["fulldomain"] + ".")
    for name in (account["username"], account["username"].upper(), account["subdomain"], account["fulldomain"]):
        reply = await ask(lab, "GET", f"{ACCOUNTS}/{name}")
        shown = reply.json()
        assert shown["fulldomain"] == account["fulldomain"]
        assert (shown["values"], shown["aliases"]) == ([VALUE], ["_acme-challenge.shown.lab.test"])
        assert shown["last_used"] is not None
        assert "hash" not in reply.body.decode()
    other_zone = account["fulldomain"].replace("auth.lab.test", "auth.other.test")
    for name in ("nobody", "00000000-0000-4000-8000-000000000000", other_zone):
        assert (await ask(lab, "GET", f"{ACCOUNTS}/{name}")).status == 404


async def test_a_deleted_account_is_gone_everywhere_with_the_next_query(lab: Lab) -> None:
    account = await registered(lab)
    await update(lab, account)
    alias = "_acme-challenge.gone.lab.test"
    await lab.add_record(alias, "CNAME", account["fulldomain"] + ".")
    assert await lab.texts(alias) == [VALUE]
    reply = await ask(lab, "DELETE", f"{ACCOUNTS}/{account['username']}")
    assert reply.json() == {"deleted": account["fulldomain"], "aliases": [alias]}
    assert (await lab.ask(alias, "TXT")).rcode().name == "NXDOMAIN"
    assert (await lab.ask(account["fulldomain"], "TXT")).rcode().name == "NXDOMAIN"
    assert (await update(lab, account)).status == 401
    assert (await ask(lab, "DELETE", f"{ACCOUNTS}/{account['username']}")).status == 404
    assert events(lab, account["fulldomain"]) == ["txt-account.registered", "txt-account.deleted"]
    assert events(lab, alias) == ["record.added", "record.removed"]


async def test_a_rotated_key_is_the_only_one(lab: Lab) -> None:
    account = await registered(lab)
    new = (await ask(lab, "POST", f"{ACCOUNTS}/{account['username']}/key")).json()
    assert {**new, "password": ""} == {**account, "password": ""}
    assert (await update(lab, account)).status == 401
    assert (await update(lab, new)).status == 200
    assert events(lab, account["fulldomain"]) == ["txt-account.registered", "txt-account.rotated"]


async def test_a_scope_is_set_and_lifted(lab: Lab) -> None:
    account = await registered(lab)
    path = f"{ACCOUNTS}/{account['username']}/scope"
    assert (await ask(lab, "PUT", path, {"names": ["A.lab.test.", "*.b.lab.test"]})).json()["scope"] == [
        "a.lab.test",
        "*.b.lab.test",
    ]
    assert (await ask(lab, "PUT", path, {"names": []})).json()["scope"] == []
    for body in (None, {}, {"names": "a.lab.test"}, {"names": [1]}, {"names": ["a_b"]}, {"names": ["x"] * 101}):
        assert (await ask(lab, "PUT", path, body)).status == 400
    assert events(lab, account["fulldomain"]).count("txt-account.scoped") == 2


async def test_an_acme_account_that_is_none(lab: Lab) -> None:
    assert (await ask(lab, "GET", "/api/v1/acme-accounts/nobody")).status == 404
    assert (await ask(lab, "POST", "/api/v1/acme-accounts/nobody/deactivate")).status == 404
    assert (await ask(lab, "DELETE", "/api/v1/acme-accounts/nobody")).status == 405
