"""The catalog of our own zones, by which secondaries know what to follow (RFC 9432)."""

from __future__ import annotations

from zonemint.app.transfer_rights import TransferRights
from zonemint.config import Config
from zonemint.core.clock import Clock
from zonemint.dns.transfer.membership import changes, records
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
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
        self._look()
        catalog.put(self._zone)
        catalog.watch(self._changed)

    def _changed(self, apex: bytes, delta: Delta | None) -> None:
        if delta is None and apex != self._zone.apex:
            self._look()

    def _look(self) -> None:
        wanted = {
            zone.apex: self._config.zones[zone.origin].group if zone.origin in self._config.zones else ""
            for zone in self._catalog.zones()
            if self._is_member(zone)
        }
        if changed := changes(self._zone, wanted):
            self._zone.apply(changed, max(int(self._clock()), self._zone.serial + 1))

    def _is_member(self, zone: Zone) -> bool:
        if isinstance(zone, TxtZone) or zone is self._zone:
            return False
        settings = self._config.zones.get(zone.origin)
        return not (settings and settings.catalog) and any(self._rights.grants(zone.origin))
