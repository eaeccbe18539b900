"""The server side of the DNS benchmarks: our DnsServer with one zone, and worker processes if they are asked for."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import uvloop

from zonemint.app.dns_views import dns_views
from zonemint.app.dns_workers import dns_pool
from zonemint.config import Config
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import MASTER_SIZE, Cookies
from zonemint.dns.guard.terms import Terms
from zonemint.dns.server import DnsServer
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone


async def serve(zone: Zone, workers: int) -> None:
    """Serve a zone on a free port of 127.0.0.1, which is printed with the workers, until the process is ended."""
    catalog = Catalog()
    catalog.put(zone)
    config = Config(zone.origin)
    catalogs = {"": catalog}
    cookies = Cookies(bytes(MASTER_SIZE))
    alone = Views(Responder(catalog, terms=Terms(cookies=cookies)))
    server = DnsServer(dns_views(config, catalogs, Services(), cookies) if workers else alone)
    await server.start(["127.0.0.1"], 0, shares=workers)
    pids: list[int] = []
    if workers:
        pool = dns_pool(server, config, catalogs, Services(), cookies, {}, lambda line: None)
        pool.start()
        await pool.ready()
        pids = pool.pids()
    # As `up` has it.
    gc.freeze()
    gc.set_threshold(20_000)
    print(server.port, *pids, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    origin, file, *rest = sys.argv[1:]
    made = Zone.build(origin, zonefile.parse(Path(file).read_text(), origin, file=file))
    uvloop.run(serve(made, int(rest[0]) if rest else 0))
