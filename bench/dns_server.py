"""The server side of the DNS benchmark: our DnsServer with one zone, alone in its process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone


async def serve(zone: Zone) -> None:
    """Serve a zone on a free port of 127.0.0.1, which is printed, until the process is ended."""
    catalog = Catalog()
    catalog.put(zone)
    server = DnsServer(Views(Responder(catalog)))
    await server.start(["127.0.0.1"], 0)
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    origin, file = sys.argv[1:]
    uvloop.run(serve(Zone.build(origin, zonefile.parse(Path(file).read_text(), origin, file=file))))
