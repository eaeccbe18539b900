"""The worker processes of the DNS server, as the settings want them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping

import structlog

from zonemint.config import Config
from zonemint.dns.answers.services import Services
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.server import DnsServer
from zonemint.dns.workers.messages import Settings
from zonemint.dns.workers.pool import Pool
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import TxtSource

__all__ = ["dns_pool", "wanted"]

_log = structlog.get_logger()


def wanted(config: Config) -> int:
    """Return how many workers there are to be, which is none where the kernel does not divide datagrams."""
    if config.dns.workers and sys.platform != "linux":
        _log.warning("dns.workers needs Linux; DNS is answered by the main process", workers=config.dns.workers)
        return 0
    return config.dns.workers


def dns_pool(
    server: DnsServer,
    config: Config,
    catalogs: Mapping[str, Catalog],
    services: Services,
    cookies: Cookies | None,
    values: Mapping[str, TxtSource],
    line: Callable[[str], None],
) -> Pool:
    """Make the workers of a server that has a share of its datagrams for each; see Pool."""
    settings = Settings(
        pickle.dumps(config),
        cookies.master if cookies is not None else None,
        tuple(services.opcodes),
        tuple(services.types),
        services.recursion is not None,
        tuple(catalogs),
    )
    command = [sys.executable, "-m", "zonemint.app.dns_worker"]
    return Pool(server, command, settings, catalogs, values, line)
