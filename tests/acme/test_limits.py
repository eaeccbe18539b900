"""What one account and one address may take, and that nobody who behaves comes near it (RFC 8555 section 6.6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.store.filled import make
from tests.web.lab import running, settings
from tests.web.wire import Reply
from zonemint.acme import limits
from zonemint.acme.limits import Limits
from zonemint.config import Limits as Settings
from zonemint.store.orders import Identifier
from zonemint.store.sqlite import SqliteDatabase


def assert_limited(reply: Reply, setting: str) -> int:
    """Refused, with the time to wait in the header and in the sentence; returns it."""
    assert_refused(reply, 429, "rateLimited")
    wait = int(reply.header("Retry-After") or 0)
    assert f"try again in {wait} s (the setting is limits.{setting})" in reply.json()["detail"]
    return wait


async def test_new_accounts_of_an_address(tmp_path: Path) -> None:
    async with running(tmp_path, settings(limits=Settings(accounts_per_address=2))) as lab:
        first, _ = await registered(lab), await registered(lab)
        assert 0 < assert_limited(await Client(lab).register(), "accounts_per_address") <= 30
        # An account that is there is found all the same, and one that is not is told as ever.
        again = Client(lab, first.signer)
        assert (await again.register()).status == 200
        missing = await Client(lab).register(onlyReturnExisting=True)
        assert_refused(missing, 400, "accountDoesNotExist")


async def test_new_orders_of_an_account_and_of_an_address(tmp_path: Path) -> None:
    limited = Settings(orders_per_account=2, orders_per_address=3)
    async with running(tmp_path, settings(limits=limited)) as lab:
        one, two = await registered(lab), await registered(lab)
        assert [(await one.order("a.lab.test")).status for _ in range(2)] == [201, 201]
        assert 0 < assert_limited(await one.order("a.lab.test"), "orders_per_account") <= 30
        assert (await two.order("a.lab.test")).status == 201
        assert 0 < assert_limited(await two.order("a.lab.test"), "orders_per_address") <= 20
        # What was begun is finished.
        for url in (await one.post(f"{one.kid}/orders")).json()["orders"]:
            assert (await one.post(url)).status == 200


async def test_names_of_an_order_and_octets_of_a_request(tmp_path: Path) -> None:
    async with running(tmp_path, settings(limits=Settings(names_per_order=2, body_size=4096))) as lab:
        client = await registered(lab)
        assert (await client.order("a.lab.test", "b.lab.test")).status == 201
        assert_refused(await client.order("a.lab.test", "b.lab.test", "c.lab.test"), 400, "rejectedIdentifier")
        big = await client.post(f"{BASE}/new-order", {"identifiers": [], "x": "x" * 4096})
        assert_refused(big, 413, "malformed")


async def failing(client: Client, *names: str) -> None:
    order = (await client.order(*names)).json()
    for url in order["authorizations"]:
        challenge = await client.challenge(url)
        assert (await client.post(challenge["url"], {})).json()["status"] == "invalid"


async def test_failed_validations_of_an_account_for_a_name(tmp_path: Path) -> None:
    async with running(tmp_path, settings(limits=Settings(failures_per_name=2))) as lab:
        client, other = await registered(lab), await registered(lab)
        await failing(client, "bad.lab.test")
        await failing(client, "bad.lab.test", "*.bad.lab.test")
        refused = await client.order("good.lab.test", "*.bad.lab.test")
        assert 1700 < assert_limited(refused, "failures_per_name") <= 3600
        (subproblem,) = refused.json()["subproblems"]
        assert subproblem["identifier"] == {"type": "dns", "value": "*.bad.lab.test"}
        assert subproblem["type"] == "urn:ietf:params:acme:error:rateLimited"
        # Other names of the account and other accounts have nothing to do with it.
        assert (await client.order("good.lab.test")).status == 201
        assert (await other.order("bad.lab.test")).status == 201


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_open_orders_of_an_account(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    config = settings(limits=Settings(pending_orders=3))
    if store == "postgresql":
        postgres = request.getfixturevalue("postgres")
        config = settings(limits=config.limits, store=type(config.store)(postgres.database()))
    async with running(tmp_path, config) as lab:
        client, other = await registered(lab), await registered(lab)
        # One that is finalized and one that is given up are open no more.
        _, ready = await client.ready_order("done.lab.test")
        await client.post(ready["finalize"], {"csr": b64url(csr_of("done.lab.test"))})
        given_up = (await client.order("a.lab.test")).json()
        await client.post(given_up["authorizations"][0], {"status": "deactivated"})
        assert [(await client.order("a.lab.test")).status for _ in range(3)] == [201] * 3
        for _ in range(2):
            assert 0 < assert_limited(await client.order("a.lab.test"), "pending_orders") <= 60
        assert len((await client.post(f"{client.kid}/orders")).json()["orders"]) == 5
        assert (await other.order("a.lab.test")).status == 201


async def test_500_hosts_behind_one_address_never_meet_a_default(tmp_path: Path) -> None:
    """Each registers, then orders ten certificates at once and sees each name fail twenty times in the hour."""
    limit = Limits(Settings())
    db = SqliteDatabase(make(tmp_path / "zonemint.db"))
    for shared in (False, True):
        for host in range(500):
            account = "everyone" if shared else f"account {host}"
            limit.account("192.0.2.1")
            names = [Identifier("dns", f"n{n}.host-{host}.lab.test") for n in range(10)]
            for name in names:
                limit.order(account, "192.0.2.1")
                await db.write(limit.pending(account, now=0))
                for _ in range(20):
                    limit.names(account, [name])
                    limit.failed(account, name.value)
    await db.close()


async def test_what_is_remembered_is_bounded() -> None:
    limit = Limits(Settings())
    for number in range(limits._ACCOUNTS + 10):
        assert list(limit.pending(f"account {number}", now=0)) == []
    assert len(limit._room) == limits._ACCOUNTS


async def test_zero_is_no_limit() -> None:
    limit = Limits(Settings(65536, 100, 0, 0, 0, 0, 0))
    for _ in range(20_000):
        limit.account("192.0.2.1")
        limit.order("a", "192.0.2.1")
        limit.failed("a", "x.lab.test")
        limit.names("a", [Identifier("dns", "x.lab.test")])
        assert list(limit.pending("a", now=0)) == []
