"""The zones that this server is authoritative for, found by the longest suffix of a name."""

from __future__ import annotations

from collections.abc import Callable

from zonemint.dns import codes, wire
from zonemint.dns.zones.zone import Zone

__all__ = ["Catalog"]


class Catalog:
    """All zones; tells its watchers when one of them comes, goes or changes."""

    def __init__(self) -> None:
        self._zones: dict[bytes, Zone] = {}
        self._watchers: list[Callable[[], None]] = []

    def put(self, zone: Zone) -> None:
        """Serve a zone, in place of another one of the same origin."""
        if self._zones.get(zone.apex) is not zone:
            zone.watch(self._changed)
        self._zones[zone.apex] = zone
        self._changed()

    def remove(self, origin: str) -> None:
        """Stop serving a zone; nothing happens when there is none of this origin."""
        if self._zones.pop(wire.name_from_text(origin), None) is not None:
            self._changed()

    def get(self, origin: str) -> Zone | None:
        """Return the zone of exactly this origin."""
        return self._zones.get(wire.name_from_text(origin))

    def zones(self) -> list[Zone]:
        """Return all zones, in the order in which they came."""
        return list(self._zones.values())

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called whenever an answer may have become another."""
        self._watchers.append(changed)

    def find(self, name: bytes, type_: int) -> Zone | None:
        """Return the zone to ask about a name in lower-case wire form.

        It is the one with the longest suffix; DS belongs to the parent side of a cut (RFC 4035 section 3.1.4.1),
        if that is ours too.
        """
        at = 0
        exact = None
        while True:
            zone = self._zones.get(name[at:])
            if zone is not None:
                if type_ != codes.DS or at:
                    return zone
                exact = zone
            if not name[at]:
                return exact
            at += 1 + name[at]

    def _changed(self) -> None:
        for changed in self._watchers:
            changed()
