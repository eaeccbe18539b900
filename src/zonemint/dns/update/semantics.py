"""What an update means for a zone as it stands: whether its prerequisites hold, and the edits that make it."""

from __future__ import annotations

from collections.abc import Callable

from zonemint.core.errors import UpdateRefused
from zonemint.dns import codes, rdata, wire
from zonemint.dns.dnssec.seal import MADE
from zonemint.dns.rights import Rights
from zonemint.dns.update.message import Kind, Operation, Update
from zonemint.dns.zones.delta import serial_of
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.dns.zones.records import RRset, is_later

__all__ = ["check_rights", "edits_of"]

_ALONE = frozenset({codes.CNAME, codes.DNAME})
"""Types of which a name has one record, which another one takes the place of (section 3.4.2.2; RFC 6672 5.2)."""
_KEPT = frozenset({codes.SOA, codes.NS})
"""What an apex has to have (section 3.4.2.4)."""


def check_rights(update: Update, rights: Rights) -> None:
    """Raise UpdateRefused for a change that the holder of a key may not make, whatever the zone has (section 3.3)."""
    for operation in update.operations:
        if operation.type in MADE:
            raise UpdateRefused(codes.REFUSED, f"{codes.type_to_text(operation.type)} records are made by signing")
        if operation.kind is not Kind.REMOVE_NAME:
            _check(rights, update.zone, operation.owner, operation.type)


def _check(rights: Rights, zone: bytes, owner: bytes, type_: int) -> None:
    if not rights.may_update(zone, owner, type_):
        what = f"{wire.name_to_text(owner)} {codes.type_to_text(type_)}"
        raise UpdateRefused(codes.REFUSED, f"the key may not change {what}")


def edits_of(update: Update, rights: Rights) -> Callable[[Draft], list[Edit]]:
    """Return what looks at a zone and says how to change it; it raises UpdateRefused."""

    def decide(draft: Draft) -> list[Edit]:
        _check_prerequisites(update, draft)
        work = _Work(draft, rights)
        for operation in update.operations:
            work.make(operation)
        return work.edits()

    return decide


def _check_prerequisites(update: Update, draft: Draft) -> None:
    """Hold the zone against what has to be so (section 3.2.5); empty non-terminals and wildcards are no names."""
    for one in update.prerequisites:
        if one.type == codes.ANY:
            if one.exists and not _types_at(draft, one.owner):
                raise UpdateRefused(codes.NXDOMAIN, f"there is no {wire.name_to_text(one.owner)}")
            if not one.exists and _types_at(draft, one.owner):
                raise UpdateRefused(codes.YXDOMAIN, f"there is a {wire.name_to_text(one.owner)}")
        elif (draft.rrset(one.owner, one.type) is not None) is not one.exists:
            rcode = codes.NXRRSET if one.exists else codes.YXRRSET
            what = f"{wire.name_to_text(one.owner)} {codes.type_to_text(one.type)}"
            raise UpdateRefused(rcode, f"there is {'no ' if one.exists else ''}{what}")
    for (owner, type_), wanted in update.sets.items():
        rrset = draft.rrset(owner, type_)
        if rrset is None or {rdata.folded(type_, data) for data in rrset.data} != wanted:
            raise UpdateRefused(codes.NXRRSET, f"{wire.name_to_text(owner)} {codes.type_to_text(type_)} is another")


def _types_at(draft: Draft, owner: bytes) -> set[int]:
    """Return the types of a name; what signing makes follows a change later, and counts for nothing here."""
    return {rrset.type for rrset in draft.node(owner)} - MADE


class _Set:
    """The records of a name and type: dynamic ones with their TTLs, and those that the zone's file has or implies."""

    def __init__(self, rrset: RRset | None, own: dict[bytes, int]) -> None:
        self.before = own
        self.own = dict(own)
        self.given = frozenset() if rrset is None else frozenset(rrset.data) - own.keys()
        self.fixed = set(self.given)

    def __bool__(self) -> bool:
        return bool(self.own or self.fixed)

    def clear(self) -> None:
        self.own.clear()
        self.fixed.clear()


class _Work:
    """Makes operations one after the other, each on what those before left (section 3.4.2.7)."""

    def __init__(self, draft: Draft, rights: Rights) -> None:
        self._draft = draft
        self._rights = rights
        self._apex = draft.zone.apex
        self._sets: dict[tuple[bytes, int], _Set] = {}

    def make(self, operation: Operation) -> None:
        owner, type_ = operation.owner, operation.type
        if operation.kind is Kind.ADD:
            self._add(operation)
        elif operation.kind is Kind.REMOVE_NAME:
            # The name has to be the key's even where there is nothing, or it could be found out what there is.
            types = self._types(owner) - (_KEPT if owner == self._apex else frozenset())
            for one in types or {next(iter(self._rights.types), codes.ANY)}:
                _check(self._rights, self._apex, owner, one)
                self._at(owner, one).clear()
        elif owner == self._apex and type_ == codes.SOA:
            return
        elif operation.kind is Kind.REMOVE_RRSET:
            if owner != self._apex or type_ not in _KEPT:
                self._at(owner, type_).clear()
        else:
            self._remove(owner, type_, operation.data)

    def _add(self, operation: Operation) -> None:
        owner, type_ = operation.owner, operation.type
        if type_ == codes.SOA:
            self._add_soa(operation)
            return
        others = self._types(owner) - {type_}
        if codes.CNAME in others or (type_ == codes.CNAME and others):
            return  # silently, as section 3.4.2.2 has it
        records = self._at(owner, type_)
        data = self._same(records, type_, operation.data)
        if type_ in _ALONE and data not in records.fixed:
            records.clear()
        if data in records.given:
            records.fixed.add(data)
        else:
            records.own[data] = operation.ttl
        # Records of one name and type have one TTL (RFC 2181 section 5.2); it is the last one that was asked for.
        for one in records.own:
            records.own[one] = operation.ttl

    def _add_soa(self, operation: Operation) -> None:
        """Take no SOA: one with an older serial is ignored anyhow, and the serial is ours to count."""
        soa = RRset(codes.SOA, operation.ttl, (operation.data,))
        if operation.owner == self._apex and is_later(serial_of(soa), self._draft.zone.serial):
            raise UpdateRefused(codes.REFUSED, "the SOA record is in the zone file or implied, and not dynamic")

    def _remove(self, owner: bytes, type_: int, data: bytes) -> None:
        records = self._at(owner, type_)
        data = self._same(records, type_, data)
        if owner == self._apex and type_ == codes.NS and len(records.own) + len(records.fixed) <= 1:
            return
        records.own.pop(data, None)
        records.fixed.discard(data)

    def _same(self, records: _Set, type_: int, data: bytes) -> bytes:
        """Return data as the zone has them, where only letter case of names in them differs."""
        if data in records.own or data in records.fixed:
            return data
        folded = rdata.folded(type_, data)
        return next((one for one in (*records.own, *records.fixed) if rdata.folded(type_, one) == folded), data)

    def _at(self, owner: bytes, type_: int) -> _Set:
        key = owner, type_
        records = self._sets.get(key)
        if records is None:
            records = self._sets[key] = _Set(self._draft.rrset(owner, type_), self._draft.dynamic(owner, type_))
        return records

    def _types(self, owner: bytes) -> frozenset[int]:
        """Return the types that a name has by now."""
        types = _types_at(self._draft, owner)
        for (name, type_), records in self._sets.items():
            if name == owner:
                (types.add if records else types.discard)(type_)
        return frozenset(types)

    def edits(self) -> list[Edit]:
        """Return what all operations come to: what goes, then what comes."""
        gone, come = [], []
        for key, records in self._sets.items():
            gone += [Edit(False, *key, 0, data) for data in records.given - records.fixed]
            gone += [Edit(False, *key, ttl, data) for data, ttl in records.before.items() if data not in records.own]
            come += [
                Edit(True, *key, ttl, data) for data, ttl in records.own.items() if records.before.get(data) != ttl
            ]
        return gone + come
