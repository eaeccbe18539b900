"""What changed in a zone lately, so that who has an old serial can be told the difference (RFC 1995)."""

from __future__ import annotations

from collections import deque

from zonemint.dns import codes, wire
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta, difference
from zonemint.dns.zones.records import Node, Owned, of_type
from zonemint.dns.zones.zone import Zone

__all__ = ["Journal", "Journals", "compared"]

_DELTAS = 4096
_RECORDS = 100_000
"""How much a journal holds at most, which is some 20 MB; what is older is forgotten."""

_COMPARED = 200_000
"""Names of a zone up to which it is compared with the one that takes its place: some 0.1 s."""


class Journal:
    """The changes of one zone, each of which begins where the last one ended."""

    def __init__(self) -> None:
        self._deltas: deque[Delta] = deque()
        self._records = 0

    def note(self, delta: Delta | None) -> None:
        """Add a change; None, or one that does not begin where the last one ended, makes all before it useless."""
        if delta is None or (self._deltas and delta.old_serial != self._deltas[-1].new_serial):
            self._deltas.clear()
            self._records = 0
        if delta is None or delta.old_serial == delta.new_serial:
            return
        self._deltas.append(delta)
        self._records += _size(delta)
        while self._records > _RECORDS or len(self._deltas) > _DELTAS:
            self._records -= _size(self._deltas.popleft())

    def since(self, serial: int) -> list[Delta] | None:
        """Return the changes that lead from a serial to the newest one, oldest first; None when they are not all here.

        For the newest serial itself the list is empty, if the journal knows that it is the newest.
        """
        if self._deltas and self._deltas[-1].new_serial == serial:
            return []
        found: list[Delta] = []
        for delta in reversed(self._deltas):
            found.append(delta)
            if delta.old_serial == serial:
                return found[::-1]
        return None


class Journals:
    """The journals of those zones of a catalog that somebody wants one of."""

    def __init__(self, catalog: Catalog) -> None:
        self._journals: dict[bytes, Journal] = {}
        catalog.watch(self._note)

    def keep(self, origin: str) -> Journal:
        """Begin to keep a zone's journal, and go on from then; return it."""
        return self._journals.setdefault(wire.name_from_text(origin), Journal())

    def forget(self, origin: str) -> None:
        """Keep the journal of a zone no more."""
        self._journals.pop(wire.name_from_text(origin), None)

    def get(self, apex: bytes) -> Journal | None:
        """Return the journal of the zone with this apex, if one is kept."""
        return self._journals.get(apex)

    def _note(self, apex: bytes, delta: Delta | None) -> None:
        if (journal := self._journals.get(apex)) is not None:
            journal.note(delta)


def compared(old: Zone, new: Zone) -> Delta | None:
    """Return the difference of two whole zones of one apex; None when they are too large to look for it."""
    if max(len(old.nodes), len(new.nodes)) > _COMPARED:
        return None
    removed: list[Owned] = []
    added: list[Owned] = []
    for owner, node in old.nodes.items():
        if (other := new.nodes.get(owner, ())) != node:
            _compare(owner, node, other, removed, added)
    for owner in new.nodes.keys() - old.nodes.keys():
        added += [(owner, rrset) for rrset in new.nodes[owner]]
    return Delta(old.apex, old.soa, new.soa, tuple(removed), tuple(added))


def _compare(owner: bytes, old: Node, new: Node, removed: list[Owned], added: list[Owned]) -> None:
    for type_ in dict.fromkeys([rrset.type for rrset in (*old, *new)]):
        if type_ == codes.SOA:
            continue
        gone, come = difference(of_type(old, type_), of_type(new, type_))
        if gone is not None:
            removed.append((owner, gone))
        if come is not None:
            added.append((owner, come))


def _size(delta: Delta) -> int:
    return 1 + sum(len(rrset.data) for rrsets in (delta.removed, delta.added) for _, rrset in rrsets)
