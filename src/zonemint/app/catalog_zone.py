"""The catalog of our own zones, by which secondaries know what to follow (RFC 9432)."""

from __future__ import annotations

from zonemint.app.transfer_rights import TransferRights
from zonemint.config import Config
from zonemint.core.clock import Clock
from zonemint.dns import wire
from zonemint.dns.transfer.membership import change, changes, records
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Changes, Delta
from zonemint.dns.zones.zone import TxtZone, Zone

__all__ = ["CatalogZone"]


class CatalogZone:
    """Serves a zone that lists the others, as far as somebody may have them, and keeps it true."""

    def __init__(self, config: Config, catalog: Catalog, rights: TransferRights, clock: Clock) -> None:
        self._config = config
        self._catalog = catalog
        self._rights = rights
        self._clock = clock
        # After a start it is later than before, as long as there was not more than a change in a second.
        self._zone = Zone.build(config.dns.catalog, records(config.dns.catalog), serial=int(clock()))
        listed = {zone.apex: self._group(zone) for zone in catalog.zones() if self._is_member(zone)}
        self._apply(changes(self._zone, listed))
        catalog.put(self._zone)
        catalog.watch(self._changed)

    def _changed(self, apex: bytes, delta: Delta | None) -> None:
        if delta is None and apex != self._zone.apex:
            zone = self._catalog.get(wire.name_to_text(apex))
            group = self._group(zone) if zone is not None and self._is_member(zone) else None
            self._apply(change(self._zone, apex, group))

    def _apply(self, changed: Changes) -> None:
        if changed:
            self._zone.apply(changed, max(int(self._clock()), self._zone.serial + 1))

    def _group(self, zone: Zone) -> str:
        return self._config.zones[zone.origin].group if zone.origin in self._config.zones else ""

    def _is_member(self, zone: Zone) -> bool:
        if isinstance(zone, TxtZone) or zone is self._zone:
            return False
        settings = self._config.zones.get(zone.origin)
        return not (settings and settings.catalog) and any(self._rights.grants(zone.origin))
