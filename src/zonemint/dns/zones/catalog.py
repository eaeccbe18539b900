"""The zones that this server is authoritative for, found by the longest suffix of a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias
from weakref import WeakSet

from zonemint.core.errors import StoreUnavailable
from zonemint.dns import codes, wire
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.zone import Asked, Found, Zone

__all__ = ["Catalog", "Watcher"]

Watcher: TypeAlias = Callable[[bytes, "Delta | None"], None]
"""Is told the apex of a zone (lower-case wire form) and what changed in it; None when it came, went or is all new."""


class Catalog:
    """All zones; tells its watchers when one of them comes, goes or changes.

    below: a catalog whose zones are also in this one, but for those that this one has itself.
    """

    def __init__(self, below: Catalog | None = None) -> None:
        self._zones: dict[bytes, Zone] = {}
        self._watchers: list[Watcher] = []
        self._below = below
        self._own: set[bytes] = set()
        self._watched: WeakSet[Zone] = WeakSet()
        self._parents: set[bytes] | None = None
        if below is not None:
            self._zones |= below._zones
            below.watch(self._shine_through)

    def put(self, zone: Zone, delta: Delta | None = None) -> None:
        """Serve a zone, in place of another one of the same origin, from which it differs as the delta says."""
        if zone not in self._watched:
            # One that was suspended may come back, and is watched already.
            zone.watch(lambda change: self._changed(zone, change))
            self._watched.add(zone)
        self._zones[zone.apex] = zone
        self._own.add(zone.apex)
        self._tell(zone.apex, delta)

    def suspend(self, origin: str) -> None:
        """Let a zone be ours without its data: every question about it is SERVFAIL, and none goes to a zone above."""
        zone = _Suspended(origin)
        self._zones[zone.apex] = zone
        self._own.add(zone.apex)
        self._tell(zone.apex, None)

    def remove(self, origin: str) -> None:
        """Stop serving a zone; nothing happens when there is none of this origin."""
        apex = wire.name_from_text(origin)
        if apex in self._own:
            self._own.discard(apex)
            self._let_through(apex)
            self._tell(apex, None)

    def get(self, origin: str) -> Zone | None:
        """Return the zone of exactly this origin, if we have its data."""
        zone = self._zones.get(wire.name_from_text(origin))
        return None if isinstance(zone, _Suspended) else zone

    def has(self, origin: str) -> bool:
        """Tell whether a zone of exactly this origin is ours, with its data or without."""
        return wire.name_from_text(origin) in self._zones

    def zones(self) -> list[Zone]:
        """Return all zones whose data we have, in the order in which they came."""
        return [zone for zone in self._zones.values() if not isinstance(zone, _Suspended)]

    def own(self) -> list[Zone]:
        """Return the zones that are not of the catalog below, those too whose data we do not have."""
        return [self._zones[apex] for apex in self._own]

    def owns(self, apex: bytes) -> Zone | None:
        """Return the zone of exactly this apex, as `own` has it."""
        return self._zones[apex] if apex in self._own else None

    def watch(self, changed: Watcher) -> None:
        """Have `changed` called whenever an answer may have become another, before the change counts as made."""
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

    def has_child(self, name: bytes) -> bool:
        """Tell whether a zone begins right below a name in lower-case wire form."""
        if self._parents is None:
            self._parents = {apex[1 + apex[0] :] for apex in self._zones if apex[0]}
        return name in self._parents

    def _shine_through(self, apex: bytes, delta: Delta | None) -> None:
        if apex not in self._own:
            self._let_through(apex)
            self._tell(apex, delta)

    def _let_through(self, apex: bytes) -> None:
        """Have the zone of the catalog below, if there is one."""
        zone = self._below._zones.get(apex) if self._below is not None else None
        if zone is None:
            self._zones.pop(apex, None)
        else:
            self._zones[apex] = zone

    def _changed(self, zone: Zone, delta: Delta) -> None:
        if self._zones.get(zone.apex) is zone:
            self._tell(zone.apex, delta)

    def _tell(self, apex: bytes, delta: Delta | None) -> None:
        if delta is None:
            self._parents = None
        for changed in self._watchers:
            changed(apex, delta)


class _Suspended(Zone):
    """A zone of which nothing is known but that it is ours."""

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        raise StoreUnavailable(f"zone {self.origin} is not loaded")
