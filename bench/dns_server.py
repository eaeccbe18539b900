"""The server side of the DNS benchmark: our DnsServer with one zone, alone in its process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from zonemint.dns import zonefile
from zonemint.dns.catalog import Catalog
from zonemint.dns.server import DnsServer
from zonemint.dns.zone import Zone


async def serve(origin: str, file: Path) -> None:
    """Serve the zone on a free port of 127.0.0.1, which is printed, until the process is ended."""
    catalog = Catalog()
    catalog.put(Zone.build(origin, zonefile.parse(file.read_text(), origin, file=file)))
    server = DnsServer(catalog)
    await server.start(["127.0.0.1"], 0)
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
