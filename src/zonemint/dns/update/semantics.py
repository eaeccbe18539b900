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
    """The records of a name and type: dynamic ones with their TTLs, and those that the zone's file has or implies.

    ttl: of all dynamic ones, once one was added (RFC 2181 section 5.2).
    """

    def __init__(self, type_: int, rrset: RRset | None, own: dict[bytes, int]) -> None:
        self.before = own
        self.own = dict(own)
        self.ttl: int | None = None
        self.given = frozenset() if rrset is None else frozenset(rrset.data) - own.keys()
        self.fixed = set(self.given)
        self._type = type_
        self._folded: dict[bytes, bytes] | None = None

    def __bool__(self) -> bool:
        return bool(self.own or self.fixed)

    def clear(self) -> None:
        self.own.clear()
        self.fixed.clear()
        self._folded = None

    def same(self, data: bytes) -> bytes:
        """Return data as they stand here, where only letter case of names in them differs."""
        if data in self.own or data in self.fixed:
            return data
        if self._folded is None:
            self._folded = {rdata.folded(self._type, one): one for one in (*self.fixed, *self.own)}
        return self._folded.get(rdata.folded(self._type, data), data)

    def add(self, data: bytes, ttl: int) -> None:
        if data in self.given:
            self.fixed.add(data)
        else:
            self.own[data] = ttl
        self.ttl = ttl
        if self._folded is not None:
            self._folded[rdata.folded(self._type, data)] = data

    def remove(self, data: bytes) -> None:
        self.own.pop(data, None)
        self.fixed.discard(data)
        if self._folded is not None:
            self._folded.pop(rdata.folded(self._type, data), None)

    def dynamic(self) -> dict[bytes, int]:
        """Return the dynamic records and their TTLs."""
        return self.own if self.ttl is None else dict.fromkeys(self.own, self.ttl)


class _Work:
    """Makes operations one after the other, each on what those before left (section 3.4.2.7)."""

    def __init__(self, draft: Draft, rights: Rights) -> None:
        self._draft = draft
        self._rights = rights
        self._apex = draft.zone.apex
        self._sets: dict[tuple[bytes, int], _Set] = {}
        self._types_of: dict[bytes, set[int]] = {}

    def make(self, operation: Operation) -> None:
        """Make one, in the time that it takes where nothing was changed before."""
        owner, type_ = operation.owner, operation.type
        if operation.kind is Kind.ADD:
            self._add(operation)
        elif operation.kind is Kind.REMOVE_NAME:
            # The name has to be the key's even where there is nothing, or it could be found out what there is.
            types = self._types(owner) - (_KEPT if owner == self._apex else frozenset())
            for one in types or {next(iter(self._rights.types), codes.ANY)}:
                _check(self._rights, self._apex, owner, one)
                self._clear(owner, one)
        elif owner == self._apex and type_ == codes.SOA:
            return
        elif operation.kind is Kind.REMOVE_RRSET:
            if owner != self._apex or type_ not in _KEPT:
                self._clear(owner, type_)
        else:
            self._remove(owner, type_, operation.data)

    def _add(self, operation: Operation) -> None:
        owner, type_ = operation.owner, operation.type
        if type_ == codes.SOA:
            self._add_soa(operation)
            return
        types = self._types(owner)
        has_alias = codes.CNAME in types
        if len(types) > has_alias if type_ == codes.CNAME else has_alias:
            return  # silently, as section 3.4.2.2 has it
        records = self._at(owner, type_)
        data = records.same(operation.data)
        if type_ in _ALONE and data not in records.fixed:
            records.clear()
        records.add(data, operation.ttl)
        types.add(type_)

    def _add_soa(self, operation: Operation) -> None:
        """Take no SOA: one with an older serial is ignored anyhow, and the serial is ours to count."""
        soa = RRset(codes.SOA, operation.ttl, (operation.data,))
        if operation.owner == self._apex and is_later(serial_of(soa), self._draft.zone.serial):
            raise UpdateRefused(codes.REFUSED, "the SOA record is in the zone file or implied, and not dynamic")

    def _remove(self, owner: bytes, type_: int, data: bytes) -> None:
        records = self._at(owner, type_)
        data = records.same(data)
        if owner == self._apex and type_ == codes.NS and len(records.own) + len(records.fixed) <= 1:
            return
        records.remove(data)
        if not records:
            self._types(owner).discard(type_)

    def _clear(self, owner: bytes, type_: int) -> None:
        self._at(owner, type_).clear()
        self._types(owner).discard(type_)

    def _at(self, owner: bytes, type_: int) -> _Set:
        key = owner, type_
        records = self._sets.get(key)
        if records is None:
            records = self._sets[key] = _Set(type_, self._draft.rrset(owner, type_), self._draft.dynamic(owner, type_))
        return records

    def _types(self, owner: bytes) -> set[int]:
        """Return the types that a name has by now; whoever changes its records changes this set."""
        types = self._types_of.get(owner)
        if types is None:
            types = self._types_of[owner] = _types_at(self._draft, owner)
        return types

    def edits(self) -> list[Edit]:
        """Return what all operations come to: what goes, then what comes."""
        gone, come = [], []
        for key, records in self._sets.items():
            gone += [Edit(False, *key, 0, data) for data in records.given - records.fixed]
            own = records.dynamic()
            gone += [Edit(False, *key, ttl, data) for data, ttl in records.before.items() if data not in own]
            come += [Edit(True, *key, ttl, data) for data, ttl in own.items() if records.before.get(data) != ttl]
        return gone + come
