"""A database that goes away under a running node: what can be right is answered, what cannot is said."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import dns.rcode
import pytest

from tests.acme.client import BASE, csr_of, registered
from tests.acme.signing import b64url
from tests.app.nodes import nodes
from tests.postgres import Postgres, query
from tests.web.fixtures import pytest_asyncio_loop_factories
from tests.web.lab import Lab
from tests.web.wire import Reply, exchange, request

__all__ = ["pytest_asyncio_loop_factories"]


async def plain(lab: Lab, path: str) -> Reply:
    return await exchange(lab.server.http_port, request("GET", path, "ca.lab.test"))


async def until_ready(lab: Lab) -> None:
    async with asyncio.timeout(30):
        while (await plain(lab, "/ready")).status != 200:  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
async def test_a_node_says_so_answers_its_zones_and_comes_back(
    own: Postgres, tmp_path: Path, number: signal.Signals
) -> None:
    async with nodes(tmp_path, own.database(), keys=(True,)) as lab:
        client = await registered(lab)
        leaf = await client.certificate("before.lab.test")
        url, order = await client.ready_order("during.lab.test")
        drafts = [await client.draft(f"{BASE}/new-order", {"identifiers": []}) for _ in range(3)]
        value = lab.txt["fulldomain"]
        own.stop(number)

        for draft in drafts:
            refused = await client.send(f"{BASE}/new-order", draft.body())
            assert (refused.status, refused.problem) == (503, "serverInternal")
            assert refused.header("Retry-After")
            assert refused.header("Replay-Nonce")
        assert (await lab.send("HEAD", "/acme/acme/new-nonce")).status == 200
        assert (await lab.send("GET", "/acme/acme/directory")).status == 200
        for path, headers in (
            ("/update", {"X-Api-User": lab.txt["username"], "X-Api-Key": lab.txt["password"]}),
            ("/register", {}),
        ):
            refused = await lab.send("POST", path, headers, b"{}")
            assert refused.status == 503
            assert refused.header("Retry-After")
        # The zones are in memory; what only the store knows is neither made up nor denied.
        assert (await lab.ask("ca.lab.test", "A")).answer
        assert (await lab.ask("_acme-challenge.before.lab.test", "CNAME")).answer
        assert (await lab.ask("nothing.lab.test", "A")).rcode() == dns.rcode.NXDOMAIN
        for name in (value, "_acme-challenge.before.lab.test"):
            assert (await lab.ask(name, "TXT")).rcode() == dns.rcode.SERVFAIL
        not_ready = await plain(lab, "/ready")
        assert not_ready.status == 503
        assert not_ready.body == b"not ready: the database, see the log\n"
        assert (await plain(lab, "/crl")).status == 200

        own.start()
        await until_ready(lab)
        # Nonces from before a crash are unknown, and each refusal brings one that is good.
        done = await client.post(order["finalize"], {"csr": b64url(csr_of("during.lab.test"))})
        if done.status != 200:
            assert done.problem == "badNonce"
            done = await client.post(order["finalize"], {"csr": b64url(csr_of("during.lab.test"))})
        assert done.json()["status"] == "valid"
        stored = {serial for (serial,) in lab.rows("SELECT serial FROM certificates WHERE status = 'valid'")}
        assert f"{leaf.serial_number:x}" in stored
        assert await client.certificate("after.lab.test")
        assert (await lab.ask(value, "TXT")).answer
        assert url


async def test_nothing_waits_long_for_a_database_that_does_not_answer(own: Postgres, tmp_path: Path) -> None:
    """The server is stopped in its tracks: connections stay open, and nothing comes back."""
    async with nodes(tmp_path, own.database(), keys=(True,)) as lab:
        client = await registered(lab)
        await client.certificate("before.lab.test")
        draft = await client.draft(f"{BASE}/new-order", {"identifiers": []})
        own.freeze()
        try:
            began = time.monotonic()
            assert (await lab.ask("ca.lab.test", "A")).answer
            assert time.monotonic() - began < 3
            assert (await lab.ask(lab.txt["fulldomain"], "TXT")).rcode() == dns.rcode.SERVFAIL
            refused = await client.send(f"{BASE}/new-order", draft.body())
            assert refused.status == 503
            assert time.monotonic() - began < 15
        finally:
            own.freeze(thaw=True)
        await until_ready(lab)
        await client.certificate("after.lab.test")


async def test_an_order_under_way_is_finished_while_the_database_comes_and_goes(own: Postgres, tmp_path: Path) -> None:
    """Clients that try again, as they must, all get there; nobody's order is stuck."""
    url = own.database()
    async with nodes(tmp_path, url, keys=(True, True)) as two:
        client = await registered(two)
        for number in range(6):
            await two.delegate(f"n{number}.lab.test")

        async def come_and_go() -> None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGINT):
                await asyncio.sleep(0.4)
                await asyncio.to_thread(own.stop, number)
                await asyncio.sleep(0.2)
                await asyncio.to_thread(own.start)
                await asyncio.sleep(0.6)

        async def go_on(number: int) -> None:
            got = 0
            async with asyncio.timeout(60):
                while not outages.done() or not got:
                    try:
                        await client.certificate(f"n{number}.lab.test")
                    except (AssertionError, KeyError, IndexError, TypeError, ValueError):
                        # A refusal in the midst of an order; what kind it may be is looked at in the end.
                        await asyncio.sleep(0.2)
                    else:
                        got += 1

        outages = asyncio.create_task(come_and_go())
        await asyncio.gather(outages, *(go_on(number) for number in range(6)))
        for node in two.each:
            await until_ready(node)
        valid = query(url, "SELECT serial FROM orders WHERE status = 'valid'")
        kept = query(url, "SELECT serial FROM certificates WHERE order_id IS NOT NULL")
        assert sorted(valid) == sorted(kept)
        assert len(valid) >= 6
        assert query(url, "SELECT id FROM orders WHERE status = 'processing'") == []
        assert two.statuses[503]
        assert not two.statuses[500]
