"""Updates over DNS (RFC 2136), made as all changes of dynamic records are."""

from __future__ import annotations

from collections.abc import Callable

from zonemint.app.base import Base
from zonemint.app.zones import ZoneKeeper
from zonemint.core.errors import UpdateRefused
from zonemint.dns import codes, wire
from zonemint.dns.answers.services import Handler
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.tsig import Key, Keys
from zonemint.dns.update.handler import Updates
from zonemint.dns.update.once import Once
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.dns.zones.zone import TxtZone

__all__ = ["update_handler"]


def update_handler(base: Base, catalog: Catalog, zones: ZoneKeeper, keys: Keys) -> Handler:
    """Return what answers messages of the opcode UPDATE; `base` closes it."""

    def check(apex: bytes) -> None:
        zone = catalog.find(apex, codes.SOA)
        if zone is None or zone.apex != apex:
            raise UpdateRefused(codes.NOTAUTH, f"there is no zone {wire.name_to_text(apex)} here")
        if isinstance(zone, TxtZone):
            raise UpdateRefused(codes.REFUSED, f"the records of {zone.origin} are those of the acme-dns API")
        if zone.origin in base.config.zones and base.config.zones[zone.origin].primaries:
            raise UpdateRefused(codes.REFUSED, f"the records of {zone.origin} are those of its primary")

    async def change(apex: bytes, decide: Callable[[Draft], list[Edit]], key: Key) -> None:
        zone, name = wire.name_to_text(apex), wire.name_to_text(key.name)
        await zones.change(zone, decide, actor=f"tsig-key:{name}", by=f"tsig key {name}")

    updates = Updates(check, change)
    base.stack.push_async_callback(updates.close)
    return Once(authenticated(keys, updates))
