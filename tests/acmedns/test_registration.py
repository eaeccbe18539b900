"""Who may register, where the account's name is, and what else the reply can say."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.web.lab import Lab, running, settings
from tests.web.wire import Reply
from zonemint.acmedns import tokens
from zonemint.config import AcmeDns, Config
from zonemint.store.opening import open_store
from zonemint.store.tokens import Right

FORBIDDEN = b'{"error": "forbidden"}'
BUSY = b'{"error": "too_many_requests"}'
VALUE = "v" * 43


def with_api(**changes: Any) -> Config:
    return replace(settings(), acmedns=AcmeDns(**changes))


async def token(lab: Lab, *rights: Right, names: tuple[str, ...] = ()) -> str:
    """Make a token as `zonemint tokens create` does, from beside the server."""
    made, text = tokens.new(rights, names, "test", now_ms=int(lab.clock() * 1000))
    db = await open_store(lab.config.store.database, lab.data.database)
    await db.write(tokens.insert(made, actor="test"))
    await db.close()
    return text


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def basic(text: str, user: str = "zonemint") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{text}".encode()).decode()}


async def update(lab: Lab, account: dict[str, Any], value: str = VALUE, **headers: str) -> Reply:
    sent = {"X-Api-User": account["username"], "X-Api-Key": account["password"], **headers}
    return await lab.send(
        "POST", "/update", sent, json.dumps({"subdomain": account["subdomain"], "txt": value}).encode()
    )


async def test_a_list_of_networks_says_who_may_register(tmp_path: Path) -> None:
    for networks, allowed in {("127.0.0.0/8",): True, ("10.0.0.0/8", "2001:db8::/32"): False, (): False}.items():
        folder = tmp_path / str(len(networks)) / str(allowed)
        async with running(folder, with_api(registration=networks)) as lab:
            reply = await lab.send("POST", "/register")
            assert (reply.status, reply.body == FORBIDDEN) == ((201, False) if allowed else (403, True))


async def test_a_token_admits_from_anywhere_and_limits_the_account_to_its_names(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(registration="token")) as lab:
        assert (await lab.send("POST", "/register")).body == FORBIDDEN
        good = await token(lab, "register", names=("a.lab.test",))
        for headers in (bearer(good), basic(good), basic(good, user="")):
            account = (await lab.send("POST", "/register", headers)).json()
            assert (await update(lab, account)).status == 200
            assert lab.rows("SELECT scope FROM txt_accounts WHERE username = ?", account["username"]) == [
                ('["a.lab.test"]',)
            ]
        actors = {actor for (actor,) in lab.rows("SELECT actor FROM audit WHERE event = 'txt-account.registered'")}
        assert actors == {f"token:{good.split('_')[1]}"}


async def test_what_is_no_token_for_this_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(registration="token")) as lab:
        good = await token(lab, "register")
        other = await token(lab, "admin", "storage", names=("*",))
        _, ident, secret = good.split("_", 2)
        wrong = [
            other, good[:-1], good + "A", good.upper(), f"zonemint_{ident}_{'A' * 43}", f"zonemint_{'0' * 26}_{secret}",
            f"zonemint_{ident}_{other.split('_', 2)[2]}", "", "zonemint__", "\xff", secret,
        ]  # fmt: skip
        for text in wrong:
            for headers in (bearer(text), {"Authorization": text}):
                assert (await lab.send("POST", "/register", headers)).body == FORBIDDEN, text
        for header in ("Basic", "Basic ?", "Basic " + b64encode(b"\xff\xff").decode(), "Digest x"):
            assert (await lab.send("POST", "/register", {"Authorization": header})).body == FORBIDDEN
        assert (await lab.send("POST", "/register", {"X-Api-Key": good})).body == FORBIDDEN


async def test_a_token_is_of_use_beside_networks_and_of_none_when_registration_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path / "far", with_api(registration=("10.0.0.0/8",))) as lab:
        assert (await lab.send("POST", "/register", bearer(await token(lab, "register")))).status == 201
    async with running(tmp_path / "closed", with_api(registration="closed")) as lab:
        assert (await lab.send("POST", "/register", bearer(await token(lab, "register")))).status == 404


async def test_the_reply_may_end_with_the_url(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(tell_server_url=True)) as lab:
        reply = await lab.send("POST", "/register")
        assert reply.body.endswith(b',"allowfrom":[],"server_url":"https://ca.lab.test"}')
        assert list(reply.json()) == ["username", "password", "fulldomain", "subdomain", "allowfrom", "server_url"]


async def test_an_account_is_in_the_auth_zone_of_the_host_that_was_asked(tmp_path: Path) -> None:
    config = Config(
        "lab.test",
        extra_domains=("other.test",),
        external_url="https://ca.lab.test",
        listen=settings().listen,
        acmedns=AcmeDns(extra_zones=("auth.other.test", "dmz.lab.test")),
    )
    async with running(tmp_path / "data", config) as lab:
        for host, zone in {
            "auth.other.test": "auth.other.test",
            "AUTH.other.test:8443": "auth.other.test",
            "dmz.lab.test": "dmz.lab.test",
            "auth.lab.test": "auth.lab.test",
            "ca.lab.test": "auth.lab.test",
            "evil.test": "auth.lab.test",
        }.items():
            account = (await lab.send("POST", "/register", host=host)).json()
            assert account["fulldomain"] == f"{account['subdomain']}.{zone}", host
            assert (await update(lab, account)).status == 200
            assert await lab.texts(account["fulldomain"]) == [VALUE]
            # One zone's account has no name in another.
            for elsewhere in {"auth.other.test", "dmz.lab.test", "auth.lab.test"} - {zone}:
                assert (await lab.ask(f"{account['subdomain']}.{elsewhere}", "TXT")).rcode().name == "NXDOMAIN"
            soa = await lab.ask(zone, "SOA")
            assert soa.answer[0].name.to_text() == f"{zone}."
            assert (await lab.ask(zone, "NS")).answer


@pytest.mark.parametrize("path", ["/register", "/update"])
async def test_an_address_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path, path: str) -> None:
    config = with_api(registrations_per_minute=3, updates_per_minute=3, trusted_proxies=("127.0.0.1/32",))
    async with running(tmp_path / "data", config) as lab:
        replies = [await lab.send("POST", path, {"X-Forwarded-For": "10.0.0.1"}) for _ in range(5)]
        assert [one.status for one in replies[:3]] == [replies[0].status] * 3
        for late in replies[3:]:
            assert (late.status, late.body) == (429, BUSY)
            assert late.header("Content-Type") == "application/json"
            assert 1 <= int(late.header("Retry-After") or "") <= 20
        # Another address is not concerned, and the others' health neither.
        assert (await lab.send("POST", path, {"X-Forwarded-For": "10.0.0.2"})).status == replies[0].status
        assert (await lab.send("GET", "/health", {"X-Forwarded-For": "10.0.0.1"})).status == 200


async def test_last_use_is_noted(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api()) as lab:
        account = (await lab.send("POST", "/register")).json()
        used = "SELECT used_ms FROM txt_accounts"
        assert lab.rows(used) == [(0,)]
        assert (await update(lab, account, "w" * 42)).status == 400
        assert lab.rows(used) == [(0,)]
        assert (await update(lab, account)).status == 200
        ((first,),) = lab.rows(used)
        assert abs(first / 1000 - lab.clock()) < 60
        lab.clock.offset = 120
        assert (await update(lab, account)).status == 200
        assert lab.rows(used)[0][0] >= first + 120_000
