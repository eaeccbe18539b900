"""A worker's copies of the zones, and what it has to leave to the main process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from zonemint.dns.answers.services import Elsewhere
from zonemint.dns.workers.messages import Begun, Changed, Ended, Gone, Nodes, Records
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Asked, Found, TxtSource, TxtZone, Zone

__all__ = ["Copies", "Told"]

Told = Begun | Nodes | Ended | Records | Changed | Gone
"""The messages that speak of zones."""


class Copies:
    """Follows what the main process tells of its zones.

    catalogs: by view; source: who tells the TXT values of a zone of a view.
    """

    def __init__(self, catalogs: Mapping[str, Catalog]) -> None:
        self._catalogs = catalogs
        self._begun: tuple[Begun, Filling] | None = None

    def take(self, told: Told, source: TxtSource | None = None) -> int | None:
        """Do what a message says; return the number of the change that is now made.

        source: tells the values of the zone, where it is one of values. Raises ConfigError when a change does not fit
        the copy, which then is worth nothing.
        """
        match told:
            case Begun():
                self._begun = told, Filling(told.origin)
                return None
            case Nodes():
                self._fill(told)
                return None
            case Ended():
                self._end()
            case Records():
                records = [Record(name, ttl, type_, data) for name, ttl, type_, data in told.records]
                zone = TxtZone.build(told.origin, records, source=source)
                self._catalogs[told.view].put(zone)
            case Changed():
                zone_of = self._catalogs[told.view].owns(told.delta.apex)
                # Of a zone without a copy nothing is remembered either.
                if zone_of is not None and not isinstance(zone_of, _Distant):
                    zone_of.follow(told.delta)
            case Gone():
                self._catalogs[told.view].remove(told.origin)
            case _:
                assert_never(told)
        return told.number

    def _fill(self, told: Nodes) -> None:
        assert self._begun is not None
        add = self._begun[1].add
        for owner, node in told.nodes:
            for rrset in node:
                for data in rrset.data:
                    add(owner, rrset.type, rrset.ttl, data)

    def _end(self) -> None:
        assert self._begun is not None
        begun, filling = self._begun
        self._begun = None
        if begun.copied:
            for _ in filling.check():
                pass
        zone = Zone.filled(filling) if begun.copied else _Distant(begun.origin)
        self._catalogs[begun.view].put(zone)


class _Distant(Zone):
    """A zone that only the main process can answer for."""

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        raise Elsewhere
