"""A load of clients on one server, and what it cost."""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop
from cryptography import x509

from bench.acme_client import Client, Job, Unexpected
from bench.cpu import cpu_seconds, resident_mib
from bench.own_server import Running

__all__ = ["LIMIT", "WARM_UP", "Measure", "issue", "measure", "median"]

WARM_UP = 48  # certificates
LIMIT = 60.0  # seconds for one run
_SETTLE = 0.5  # seconds: what the server put off is done before its CPU is read


@dataclass(frozen=True, slots=True)
class Measure:
    """One run: CPU milliseconds of the server and requests per certificate, certificates per second, MiB after.

    `busy` and `load_busy` are the shares of the time in which the server and the load had the processor; `grown` is
    by how many MiB the server grew meanwhile.
    """

    cpu_ms: float
    rate: float
    requests: float
    resident: float
    busy: float
    load_busy: float
    grown: float


def median(runs: Sequence[Measure], field: str) -> float:
    """Return the median of one figure."""
    values: list[float] = [getattr(run, field) for run in runs]
    return statistics.median(values)


def measure(server: Running, clients: int, *, open_orders: int = 0) -> Measure | None:
    """Get all of a server's jobs done by so many clients, the first of them for warmth; None when it took too long.

    open_orders: how many each client's account makes beforehand and leaves as they are.
    """
    try:
        return uvloop.run(_load(server, clients, open_orders))
    except TimeoutError:
        return None


async def _load(server: Running, count: int, open_orders: int) -> Measure:
    async with asyncio.timeout(LIMIT):
        clients = [Client(server.context, server.port) for _ in range(count)]
        for client in clients:
            await client.open(server.directory)
            for _ in range(open_orders):
                await client.order(server.jobs[0].name)
        await issue(clients, server.jobs[:WARM_UP])
        await asyncio.sleep(_SETTLE)
        jobs = server.jobs[WARM_UP:]
        requests, before = sum(client.requests for client in clients), resident_mib(server.pid)
        began, cpu, own = time.perf_counter(), cpu_seconds(server.pid), _own_seconds()
        chains = await issue(clients, jobs)
        elapsed, own = time.perf_counter() - began, _own_seconds() - own
        busy = (cpu_seconds(server.pid) - cpu) / elapsed
        await asyncio.sleep(_SETTLE)
        cpu = cpu_seconds(server.pid) - cpu
        requests = sum(client.requests for client in clients) - requests
        resident = resident_mib(server.pid)
        for client in clients:
            await client.close()
    _check(chains)
    per = 1 / len(jobs)
    return Measure(
        cpu * per * 1000, len(jobs) / elapsed, requests * per, resident, busy, own / elapsed, resident - before
    )


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return float(usage.ru_utime + usage.ru_stime)


async def issue(clients: Sequence[Client], jobs: Sequence[Job]) -> dict[str, bytes]:
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
