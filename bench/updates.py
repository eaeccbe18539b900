"""Updates and registrations of the acme-dns API, and whether DNS has them at once: `python -m bench.updates`.

`zonemint up` with its store on disk, on core 0; clients, each with one TLS connection that stays open, on core 1. In
the last part each update is followed by a DNS query for its value, while dnsperf asks for all the names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import uvloop

from bench.acme_client import Client
from bench.cpu import cpu_seconds, pinned, running
from bench.own_server import lift_limits

__all__ = ["main"]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"
_START = 10.0  # seconds
_UPDATERS = 64
_QUERIES = 10_000  # a second


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers."""

    pid: int
    https_port: int
    dns_port: int
    root: Path


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Run `zonemint up` on a new folder, without limits for one address."""
    data, https_port, dns_port = folder / "zonemint", _free_port(), _free_port()
    zonemint = str(Path(sys.executable).with_name("zonemint"))
    where = ["--data", str(data)]
    subprocess.run(
        [zonemint, "init", *where, "--domain", "bench.test"], check=True, capture_output=True, timeout=_START
    )
    lift_limits(data / "zonemint.toml")
    ports = ["--dns-port", str(dns_port), "--http-port", "0", "--https-port", str(https_port)]
    command = [zonemint, "up", *where, "--listen", "127.0.0.1", *ports]
    command += ["--external-url", f"https://localhost:{https_port}"]
    with running(pinned(0, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        if not any(line.startswith("ready") for line in child.stdout):
            raise RuntimeError("zonemint up did not become ready")
        yield Served(child.pid, https_port, dns_port, data / "pki" / "root.crt")


async def _register(client: Client, number: int = 0) -> Any:
    return (await client.request("POST", "/register")).json()


async def _update(client: Client, account: Any, number: int) -> str:
    value = f"{number:043}"
    headers = {"X-Api-User": account["username"], "X-Api-Key": account["password"]}
    body = f'{{"subdomain": "{account["subdomain"]}", "txt": "{value}"}}'.encode()
    await client.request("POST", "/update", body, headers)
    return value


async def _rate(server: Served, work: Sequence[Callable[[int], Awaitable[object]]], seconds: float) -> str:
    """Let the workers go on for a time; say how often they did it a second, and the server's CPU for each."""
    end = time.perf_counter() + seconds

    async def repeat(one: Callable[[int], Awaitable[object]]) -> int:
        count = 0
        while time.perf_counter() < end:
            await one(count)
            count += 1
        return count

    began, cpu = time.perf_counter(), cpu_seconds(server.pid)
    done = sum(await asyncio.gather(*map(repeat, work)))
    elapsed, cpu = time.perf_counter() - began, cpu_seconds(server.pid) - cpu
    return f"{done / elapsed:7.0f} a second  {cpu / done * 1e6:5.0f} us CPU each  core {cpu / elapsed:4.0%} busy"


async def _measure(server: Served, counts: Sequence[int], seconds: float) -> None:
    for count in counts:
        clients = await _clients(server, count)
        told = await _rate(server, [partial(_register, one) for one in clients], seconds)
        print(f"{count:3} clients  register  {told}", flush=True)
        accounts = [await _register(one) for one in clients]
        pairs = list(zip(clients, accounts, strict=True))
        work = [partial(_update, *pair) for pair in pairs]
        print(f"{count:3} clients  update    {await _rate(server, work, seconds)}", flush=True)
        for client in clients:
            await client.close()


async def _visible(server: Served, folder: Path, seconds: float) -> bool:
    """Update and look at once, under a flood of questions; tell whether every look saw the value."""
    clients = await _clients(server, _UPDATERS)
    accounts = [await _register(one) for one in clients]
    for client, account in zip(clients, accounts, strict=True):
        await _update(client, account, 0)
    queries = folder / "queries"
    queries.write_text("".join(f"{one['fulldomain']} TXT\n" for one in accounts), encoding="ascii")
    perf = await asyncio.create_subprocess_exec(
        "dnsperf", "-s", "127.0.0.1", "-p", str(server.dns_port), "-d", str(queries), "-Q", str(_QUERIES), "-l", "600",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    late: list[float] = []
    stale = 0

    async def work(client: Client, account: Any, number: int) -> None:
        nonlocal stale
        value = await _update(client, account, number + 1)
        began = time.perf_counter()
        query = dns.message.make_query(account["fulldomain"], "TXT", use_edns=0, payload=1232)
        answer = await dns.asyncquery.udp(query, "127.0.0.1", port=server.dns_port, timeout=5)
        late.append((time.perf_counter() - began) * 1000)
        stale += value not in str(answer)

    pairs = list(zip(clients, accounts, strict=True))
    steps = [partial(work, *pair) for pair in pairs]
    told = await _rate(server, steps, seconds)
    perf.send_signal(signal.SIGINT)
    said = (await perf.communicate())[0].decode()
    for client in clients:
        await client.close()
    rate = re.search(r"Queries per second: +([\d.]+)", said)
    lost = re.search(r"Queries lost: +(\d+)", said)
    print(f"{_UPDATERS:3} clients  update and query  {told}")
    print(
        f"  beside {float(rate[1]) if rate else 0:.0f} queries a second ({lost[1] if lost else '?'} lost): "
        f"{len(late)} looks, {stale} stale, median {statistics.median(late):.1f} ms",
        flush=True,
    )
    return stale == 0


async def _clients(server: Served, count: int) -> list[Client]:
    context = ssl.create_default_context(cafile=str(server.root))
    clients = [Client(context, server.https_port) for _ in range(count)]
    for client in clients:
        await client.connect()
    return clients


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Run it once and print what it found; return 1 when a query did not see a value that was set before."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", default="1,16,64", help="numbers of clients at once")
    arguments.add_argument("--seconds", type=float, default=5, help="for each measurement")
    arguments.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk: the store is in it")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {1})
    counts = [int(one) for one in options.clients.split(",")]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, served(Path(folder)) as server:
        uvloop.run(_measure(server, counts, options.seconds))
        if shutil.which("dnsperf") is None:
            print("dnsperf is not installed: the last part is left out")
            return 0
        return int(not uvloop.run(_visible(server, Path(folder), options.seconds)))


if __name__ == "__main__":
    sys.exit(main())
