"""A DNS worker's process: `python -m zonemint.app.dns_worker`, started by the server and of no use to anybody else.

Its arguments are the descriptors of its socket to the server and of the sockets that it reads.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence

import uvloop

from zonemint.app.dns_views import dns_views
from zonemint.app.query_log import chosen
from zonemint.config import Config
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.transports.query_log import QueryLog
from zonemint.dns.workers.messages import Settings
from zonemint.dns.workers.worker import Worker
from zonemint.dns.zones.catalog import Catalog

_COLLECTED_AFTER = 20_000  # objects that were made and not freed again


def _views(
    settings: Settings, catalogs: Mapping[str, Catalog], services: Services, write: Callable[[str], None]
) -> tuple[Views, QueryLog | None]:
    # It is the server's own, from the socket that nobody else has.
    config: Config = pickle.loads(settings.config)  # noqa: S301
    cookies = None if settings.secret is None else Cookies(settings.secret)
    log = chosen(config.query_log, write) if config.query_log.file else None
    return dns_views(config, catalogs, services, cookies), log


async def _serve(control: socket.socket, sockets: Sequence[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    worker = Worker(sockets, _views)
    await loop.create_unix_connection(lambda: worker, sock=control)
    await worker.ended


def main() -> None:
    """Serve until the server ends."""
    # Whoever stops the server stops us by it; the two may be told at once.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(_COLLECTED_AFTER)
    control, *sockets = [socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:]]
    for sock in (control, *sockets):
        sock.setblocking(False)
    uvloop.run(_serve(control, sockets))


if __name__ == "__main__":
    main()
