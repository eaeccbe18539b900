"""CPU of the server per certificate, beside pebble: `python -m bench.issuance`.

The whole dns-01 flow over TLS, for several numbers of clients that each keep one connection and one account.
Ours has its store on disk, takes an acme-dns update and validates through DNS; pebble keeps everything in
memory and holds every challenge for valid. The server is on core 0 and the clients are on core 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from cryptography import x509

from bench.acme_client import Client, Job, Unexpected
from bench.acme_servers import Running, ours, pebble, pebble_program
from bench.cpu import cpu_seconds, resident_mib

__all__ = ["Measure", "main", "measure"]

_Serve = Callable[[Path, int], AbstractContextManager[Running]]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"
_WARM_UP = 48  # certificates
_SETTLE = 0.5  # seconds: what the server put off is done before its CPU is read
_LIMIT = 30.0  # seconds for one run


@dataclass(frozen=True, slots=True)
class Measure:
    """One run: CPU milliseconds of the server and requests per certificate, certificates per second, MiB after."""

    cpu_ms: float
    rate: float
    requests: float
    resident: float


def measure(serve: _Serve, folder: Path, clients: int, certificates: int) -> Measure | None:
    """Run a fresh server under load; None when the load was not done in time."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, serve(Path(fresh), _WARM_UP + certificates) as server:
        try:
            return uvloop.run(_load(server, clients))
        except TimeoutError:
            return None


async def _load(server: Running, count: int) -> Measure:
    async with asyncio.timeout(_LIMIT):
        clients = [Client(server.context, server.port) for _ in range(count)]
        for client in clients:
            await client.open(server.directory)
        await _issue(clients, server.jobs[:_WARM_UP])
        await asyncio.sleep(_SETTLE)
        jobs = server.jobs[_WARM_UP:]
        requests, cpu = sum(client.requests for client in clients), cpu_seconds(server.pid)
        began = time.perf_counter()
        chains = await _issue(clients, jobs)
        elapsed = time.perf_counter() - began
        await asyncio.sleep(_SETTLE)
        cpu = cpu_seconds(server.pid) - cpu
        requests = sum(client.requests for client in clients) - requests
        resident = resident_mib(server.pid)
        for client in clients:
            await client.close()
    _check(chains)
    return Measure(cpu / len(jobs) * 1000, len(jobs) / elapsed, requests / len(jobs), resident)


async def _issue(clients: Sequence[Client], jobs: Sequence[Job]) -> dict[str, bytes]:
    """Let the clients work through the jobs, each taking the next; return the chains by name."""
    waiting = deque(jobs)
    chains = {}

    async def work(client: Client) -> None:
        while waiting:
            job = waiting.popleft()
            chains[job.name] = await client.certificate(job)

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(work(client))
    return chains


def _check(chains: dict[str, bytes]) -> None:
    """Every chain has a leaf for its name and the leaf's issuer; raises Unexpected."""
    for name, pem in chains.items():
        leaf, issuer = x509.load_pem_x509_certificates(pem)[:2]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if names.get_values_for_type(x509.DNSName) != [name]:
            raise Unexpected(f"the certificate for {name} is for {names}")
        leaf.verify_directly_issued_by(issuer)


def report(clients: int, title: str, runs: Sequence[Measure | None]) -> None:
    """Print the medians of one server's runs."""
    done = [run for run in runs if run is not None]
    head = f"{clients:2} clients  {title:9}"
    if len(done) < len(runs):
        print(f"{head}  {len(runs) - len(done)} of {len(runs)} runs did not end within {_LIMIT:g} s")
    if done:
        cpu, rate, requests, resident = (
            statistics.median(getattr(run, field) for run in done)
            for field in ("cpu_ms", "rate", "requests", "resident")
        )
        print(
            f"{head}  {cpu:5.2f} ms CPU a certificate  {rate:6.1f} certificates/s  "
            f"{requests:5.2f} requests a certificate  {resident:5.1f} MiB"
        )


def main() -> None:
    """Run all rounds and print what they cost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", default="1,4,16", help="numbers of clients at once")
    arguments.add_argument("--certificates", type=int, default=240, help="measured in one run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk: the store is in it")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {1})
    sides: list[tuple[str, _Serve]] = [("zonemint", ours)]
    if pebble_program() is None:
        print("pebble is not installed: measuring zonemint alone")
    else:
        sides.insert(0, ("pebble", pebble))
    for clients in map(int, options.clients.split(",")):
        rounds = [
            [measure(serve, options.folder, clients, options.certificates) for _, serve in sides]
            for _ in range(options.rounds)
        ]
        for (title, _), runs in zip(sides, zip(*rounds, strict=True), strict=True):
            report(clients, title, runs)
        pairs = [pair for pair in rounds if len(pair) == 2 and None not in pair]
        ratios = [us.cpu_ms / them.cpu_ms for them, us in pairs if us is not None and them is not None]
        if ratios:
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{clients:2} clients  ratio      {statistics.median(ratios):5.2f} ({spread})", flush=True)


if __name__ == "__main__":
    main()
