"""The DNS server and what stands around it: zones, keys, updates, transfers, forwarding, the log of queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from zonemint.app.background import Background
from zonemint.app.base import Base
from zonemint.app.dns_updates import update_handler
from zonemint.app.dns_views import cookies, dns_views, other_zones
from zonemint.app.dns_workers import dns_pool, wanted
from zonemint.app.forwarding import Forwarding
from zonemint.app.query_log import query_log
from zonemint.app.tsig_keys import KeyRing
from zonemint.app.txt_api import txt_values
from zonemint.app.zone_signing import ZoneSigning
from zonemint.app.zone_transfers import ZoneTransfers
from zonemint.app.zones import LOOK, ZoneKeeper
from zonemint.dns import codes
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.signed import signing
from zonemint.dns.server import DnsServer
from zonemint.dns.zones.catalog import Catalog

__all__ = ["Dns"]

_FILE_WATCH = 1.0  # seconds between looks at zone files
_SIGNATURE_WATCH = 1.0  # seconds between looks whether signatures or keys are due


class Dns(NamedTuple):
    """Everything that answers DNS, listening; what it does by itself begins with `begin`."""

    zones: ZoneKeeper
    server: DnsServer
    transfers: ZoneTransfers
    signing: ZoneSigning
    forwarding: Forwarding | None
    has_workers: bool

    @classmethod
    async def start(cls, base: Base, hosts: list[str]) -> Dns:
        """Read the zones, and listen; raises ConfigError."""
        config, catalog, stack = base.config, Catalog(), base.stack
        catalogs = {"": catalog, **{view: Catalog(catalog) for view in config.views}}
        served = config.auth_zones if base.has("acmedns") else ()
        values = {zone: txt_values(base, zone) for zone in served}
        zones = ZoneKeeper(catalogs, base.db, values, config, base.data, base.address, base.clock)
        await zones.load()
        log = query_log(config.query_log, base.data)
        if log is not None:
            stack.callback(log[1].close)
        keys = KeyRing(base.db, md5=config.dns.tsig_md5)
        await keys.start()
        stack.push_async_callback(keys.close)
        has_other = other_zones(config, catalogs)
        transfers = ZoneTransfers(base, catalog, zones.journals, keys, has_other)
        transfers.restore()
        forwarding = Forwarding(config, base.data, hosts) if base.has("dns") else None
        opcodes = {codes.UPDATE: update_handler(base, catalog, zones, keys, has_other), **transfers.opcodes}
        services = Services(opcodes=opcodes, types=transfers.types, signing=signing(keys))
        if forwarding is not None and forwarding.is_on:
            stack.callback(forwarding.close)
            services = msgspec.structs.replace(services, recursion=forwarding.resolver)
        baker = await cookies(base)
        server = DnsServer(
            dns_views(config, catalogs, services, baker),
            freshen=zones.refresh,
            tcp_limit=config.dns.tcp_connections,
            tcp_per_client=config.dns.tcp_connections_per_client,
            tcp_idle=config.dns.tcp_idle,
            log=log[0] if log else None,
        )
        workers = wanted(config)
        await server.start(hosts, config.listen.dns_port, shares=workers)
        stack.push_async_callback(server.close)
        if workers:
            line = log[1].write if log else (lambda text: None)
            pool = dns_pool(server, config, catalogs, services, baker, values, line)
            pool.start()
            stack.push_async_callback(pool.close)
            zones.settled = pool.settled
        if forwarding is not None:
            forwarding.start(server.port)
        zone_signing = ZoneSigning(zones, base.db, config, base.clock)
        return cls(zones, server, transfers, zone_signing, forwarding, workers > 0)

    def begin(self, background: Background) -> None:
        """Begin what goes on beside answers."""
        background.every(_FILE_WATCH, self.zones.reload_changed_files)
        background.every(_SIGNATURE_WATCH, self.signing.look)
        if self.has_workers:
            # Nobody else looks whether a command has changed something, when all datagrams go to the workers.
            background.every(LOOK, self.zones.look)
        self.transfers.begin(background)
        if self.forwarding is not None:
            background.run(self.forwarding.keep)

    async def stop(self) -> None:
        """End it, and keep what is to be kept."""
        await self.transfers.close()

    @property
    def failures(self) -> Mapping[str, str]:
        """Why zones are not what they should be, by their names."""
        return {**self.zones.failures, **self.transfers.failures}
