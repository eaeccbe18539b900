"""Worker processes: they say what the main process would say, from the moment on at which a change counts as made."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rcode
import pytest

from tests.dns.asking import auth_zone, lines, question, zone
from zonemint.app.dns_views import dns_views
from zonemint.app.dns_workers import dns_pool
from zonemint.app.query_log import chosen
from zonemint.config import Config
from zonemint.config.query_log import QueryLog
from zonemint.core.errors import StoreUnavailable
from zonemint.dns import codes
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Services
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.server import DnsServer
from zonemint.dns.workers.pool import Pool
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import TxtSource, TxtValues, Zone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux divides datagrams")

_MANY = 24
"""Clients: enough that each of two workers has some of them."""


class Distant(Zone):
    """A zone of a kind that workers have no copy of."""


@asynccontextmanager
async def serving(
    catalog: Catalog,
    source: TxtSource = lambda label: None,
    *,
    workers: int = 2,
    services: Services = Services(),  # noqa: B008,
    written: list[str] | None = None,
) -> AsyncIterator[tuple[DnsServer, Pool]]:
    logged = QueryLog(file="-") if written is not None else QueryLog()
    config, baker = Config("lab.test", query_log=logged), Cookies(bytes(32))
    catalogs = {"": catalog}
    write = written.append if written is not None else lambda line: None
    server = DnsServer(
        dns_views(config, catalogs, services, baker), log=None if written is None else chosen(config.query_log, write)
    )
    await server.start(["127.0.0.1"], 0, shares=workers)
    pool = dns_pool(server, config, catalogs, services, baker, {"auth.lab.test": source}, write)
    pool.start()
    try:
        async with asyncio.timeout(60):
            await pool.ready()
        yield server, pool
    finally:
        await pool.close()
        await server.close()


async def everywhere(server: DnsServer, name: str, type_: str = "A") -> set[str]:
    """Ask through many sockets at once; return the different answers."""
    asked = [dns.asyncquery.udp(question(name, type_), "127.0.0.1", 10, server.port) for _ in range(_MANY)]
    replies = await asyncio.gather(*asked)
    return {f"{dns.rcode.to_text(reply.rcode())} {lines(reply.answer)}" for reply in replies}


def lab() -> Catalog:
    catalog = Catalog()
    catalog.put(zone())
    return catalog


async def test_workers_answer_and_what_they_answer_is_counted() -> None:
    async with serving(lab()) as (server, pool):
        assert len(pool.pids()) == 2
        assert await everywhere(server, "www.lab.test.") == {"NOERROR ['www 300 A 192.0.2.10', 'www 300 A 192.0.2.11']"}
        assert await everywhere(server, "nothing.lab.test.") == {"NXDOMAIN []"}
        await until(lambda: server.queries() == {("udp", "NOERROR"): _MANY, ("udp", "NXDOMAIN"): _MANY})
        assert all(counts.answers for counts in pool.counts())
        assert sum(sum(one.counts) for one in pool.durations()) == 2 * _MANY


async def test_after_a_change_counts_as_made_nobody_hears_the_old_answer() -> None:
    catalog = lab()
    live = catalog.get("lab.test")
    assert live is not None
    async with serving(catalog) as (server, pool):
        for serial in range(8, 28):
            live.put("www.lab.test", "A", 60, [f"192.0.2.{serial}"], serial=serial)
            await pool.settled()
            assert await everywhere(server, "www.lab.test.") == {f"NOERROR ['www 60 A 192.0.2.{serial}']"}
        catalog.put(zone("@ 60 SOA a b 1 1 1 1 1\nwww 60 A 192.0.2.99\n", "new.test"))
        catalog.remove("lab.test")
        await pool.settled()
        assert await everywhere(server, "www.lab.test.") == {"REFUSED []"}
        assert "192.0.2.99" in str(await everywhere(server, "www.new.test."))


async def test_a_large_zone_comes_whole_and_changes_while_it_is_sent() -> None:
    catalog = lab()
    live = catalog.get("lab.test")
    assert live is not None
    async with serving(catalog, workers=1) as (server, pool):
        text = "@ 60 SOA a b 1 1 1 1 1\n" + "".join([f"h{n} 60 A 10.0.{n >> 8}.{n & 255}\n" for n in range(9_000)])
        large = zone(text, "large.test")
        catalog.put(large)
        large.put("h8999.large.test", "A", 60, ["192.0.2.7"], serial=2)
        large.put("h0.large.test", "A", 60, [], serial=3)
        await pool.settled()
        assert await everywhere(server, "h8999.large.test.") == {"NOERROR ['h8999.large.test. 60 A 192.0.2.7']"}
        assert await everywhere(server, "h8998.large.test.") == {"NOERROR ['h8998.large.test. 60 A 10.0.35.38']"}
        assert await everywhere(server, "h0.large.test.") == {"NXDOMAIN []"}


async def test_txt_values_are_always_those_of_the_main_process() -> None:
    values: dict[str, TxtValues] = {}
    loop = asyncio.get_running_loop()

    def source(label: str) -> TxtValues | asyncio.Future[TxtValues]:
        if label == "broken":
            raise StoreUnavailable("gone")
        if label != "slow":
            return values.get(label)
        promised: asyncio.Future[TxtValues] = loop.create_future()
        loop.call_later(0.01, promised.set_result, ["at last"])
        return promised

    catalog = lab()
    catalog.put(auth_zone(source))
    async with serving(catalog, source) as (server, _):
        for value in ("first", "second"):
            values["one"] = [value]
            found = await everywhere(server, "_acme-challenge.server-1.lab.test.", "TXT")
            assert found == {f"NOERROR ['_acme-challenge.server-1 300 CNAME one.auth', 'one.auth 1 TXT \"{value}\"']"}
        assert await everywhere(server, "none.auth.lab.test.", "TXT") == {"NXDOMAIN []"}
        assert await everywhere(server, "broken.auth.lab.test.", "TXT") == {"SERVFAIL []"}
        assert "at last" in str(await everywhere(server, "slow.auth.lab.test.", "TXT"))


async def test_what_a_worker_cannot_answer_the_main_process_does() -> None:
    told: list[Client] = []

    def update(message: bytes, client: Client) -> bytes:
        told.append(client)
        return message[:2] + bytes((0xA8, codes.REFUSED)) + bytes(8)

    catalog = lab()
    catalog.put(
        Distant.build("distant.test", zone("@ 60 SOA a b 1 1 1 1 1\nwww 60 A 192.0.2.5\n", "distant.test").records())
    )
    written: list[str] = []
    async with serving(catalog, services=Services(opcodes={5: update}), written=written) as (server, pool):
        assert await everywhere(server, "www.distant.test.") == {"NOERROR ['www.distant.test. 60 A 192.0.2.5']"}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", server.port))
            client.send(b"\1\2\x28\0" + bytes(8))
            reply = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 512), 10)
            assert reply == b"\1\2\xa8\5" + bytes(8)
            assert (told[0].address, told[0].port) == (b"\x7f\0\0\1", client.getsockname()[1])
        await until(lambda: server.queries() == {("udp", "NOERROR"): _MANY, ("udp", "REFUSED"): 1})
        # The worker tells of all that it was asked, and the main process of none of it again.
        await until(lambda: len(written) >= _MANY and sum(sum(one.counts) for one in pool.durations()) == _MANY + 1)
        assert len(written) == _MANY
        assert sum(server.durations()[Transport.UDP].counts) == _MANY + 1


async def test_a_worker_that_dies_leaves_no_question_without_answer() -> None:
    catalog = lab()
    live = catalog.get("lab.test")
    assert live is not None
    async with serving(catalog) as (server, pool):
        await everywhere(server, "www.lab.test.")
        await until(lambda: sum(server.queries().values()) == _MANY)
        before = pool.pids()
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: before[0] not in pool.pids())
        live.put("www.lab.test", "A", 60, ["192.0.2.77"], serial=8)
        await pool.settled()
        assert await everywhere(server, "www.lab.test.") == {"NOERROR ['www 60 A 192.0.2.77']"}
        await until(lambda: len(pool.pids()) == 2)
        assert await everywhere(server, "www.lab.test.") == {"NOERROR ['www 60 A 192.0.2.77']"}
        await until(lambda: sum(server.queries().values()) == 3 * _MANY)


async def test_a_worker_that_does_not_follow_is_ended_before_a_change_counts_as_made() -> None:
    catalog = lab()
    live = catalog.get("lab.test")
    assert live is not None
    async with serving(catalog) as (server, pool):
        stopped = pool.pids()[0]
        os.kill(stopped, signal.SIGSTOP)
        live.put("www.lab.test", "A", 60, ["192.0.2.77"], serial=8)
        await pool.settled()
        assert stopped not in pool.pids()
        assert await everywhere(server, "www.lab.test.") == {"NOERROR ['www 60 A 192.0.2.77']"}


def test_no_worker_outlives_the_server(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from tests.app.test_dns_workers import lab, serving\n"
        "async def main():\n"
        "    async with serving(lab()) as (_, pool):\n"
        "        print(*pool.pids(), flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        pids = [int(pid) for pid in child.stdout.readline().split()]
        assert len(pids) == 2
        child.kill()
        child.wait()
    asyncio.run(until(lambda: not any(map(_lives, pids))))


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # what is waited for is in other processes
            await asyncio.sleep(0.02)
