"""Authoritative data of a zone, and what it says about one name and type (RFC 1034 section 4.3.2)."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, IntEnum, auto
from typing import NamedTuple, Protocol, Self, TypeAlias

import msgspec

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.canonical import Chain
from zonemint.dns.zones.delta import Changes, Delta, difference, onto, serial_of, with_serial
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.records import (
    WILDCARD,
    Node,
    Owned,
    Record,
    RRset,
    check_node,
    check_ttl,
    is_later,
    is_of_data,
    of_type,
    ttl_of,
    with_rrset,
)

__all__ = ["NOTHING", "Asked", "Found", "Keep", "Kind", "Sealer", "TxtSource", "TxtValues", "TxtZone", "Unread", "Zone"]


class Kind(Enum):
    """What a zone can say about a name and a type."""

    DATA = auto()
    ALIAS = auto()
    REDIRECTION = auto()
    REFERRAL = auto()
    NODATA = auto()
    NXDOMAIN = auto()


class Keep(IntEnum):
    """Whether an answer may be given again to the same question.

    NOT: it comes from a source that may say something else; PASSING: until the zone is changed, but anybody can
    think of any number of such names; LASTING: until the zone is changed, and the name is one of the zone's own.
    """

    NOT = 0
    PASSING = 1
    LASTING = 2


class Found(msgspec.Struct, frozen=True, gc=False):
    """What a zone says: the record set and its owner (of a wildcard: the name asked for)."""

    kind: Kind
    owner: bytes = wire.ROOT
    rrset: RRset | None = None
    keep: Keep = Keep.LASTING


_PROOFS = frozenset({codes.RRSIG, codes.NSEC, codes.NSEC3})
NOTHING = Found(Kind.NXDOMAIN, keep=Keep.PASSING)
"""There is no such name, nor one that stands for it."""

TxtValues: TypeAlias = Sequence[str] | None
"""The current TXT values of a label (none: NODATA); None where there is no such account (NXDOMAIN)."""

TxtSource: TypeAlias = Callable[[str], "TxtValues | Future[TxtValues]"]
"""Tells the values of a label, or promises them when it has to ask somebody first; raises StoreUnavailable when it
cannot tell (SERVFAIL). What it promises it keeps, or breaks with StoreUnavailable, within seconds; and it refuses
before it has made more promises than the memory should hold."""


class Asked(NamedTuple):
    """A name (lower-case wire form) whose values a source promised."""

    name: bytes
    values: Future[TxtValues]


class Unread(Exception):
    """A zone cannot tell before its source has been heard."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self.asked = asked


class Sealer(Protocol):
    """Signs a zone: says which records of DNSSEC go with a change of others."""

    def check(self, type_: int) -> None:
        """Raise ConfigError for a type whose records nobody else may change."""

    def sealed(self, changes: Changes, serial: int) -> Changes:
        """Return a change that can be made, with what else it changes; `serial` is the one after it."""


class Zone:
    """The data of one zone; used from the event loop's thread only.

    apex: the origin in wire form; nodes: what is at each name, empty non-terminals included; negative: the SOA as
    it goes into negative answers, with their TTL; nsec, nsec3: the names that have records of these types; sealer: who
    signs each change, None in a zone that is not signed, or not here.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.apex = wire.name_from_text(origin)
        self.nodes: dict[bytes, Node] = {}
        self.negative = RRset(codes.SOA, 0, ())
        self.nsec = Chain()
        self.nsec3 = Chain()
        self.sealer: Sealer | None = None
        self._children: dict[bytes, int] = {}
        self._cuts: set[bytes] = set()
        self._redirections: set[bytes] = set()
        self._watchers: list[Callable[[Delta], None]] = []

    @classmethod
    def build(cls, origin: str, records: Iterable[Record], *, serial: int | None = None) -> Self:
        """Make a zone from its records; `serial` goes into the SOA instead of the one that the records give.

        Raises ConfigError naming the record when they contradict each other or lie outside the zone.
        """
        filling = Filling(origin)
        for record in records:
            try:
                type_ = _type(record.type)
                data = rdata.from_text(type_, record.data)
                check_ttl(record.ttl)
                filling.add(wire.name_from_text(record.name), type_, record.ttl, data, record.line)
            except ConfigError as error:
                raise ConfigError(f"{record.name} {record.type}: {error.detail}", line=record.line) from None
        for _ in filling.check():
            pass
        return cls.filled(filling, serial=serial)

    @classmethod
    def filled(cls, filling: Filling, *, serial: int | None = None) -> Self:
        """Make a zone from what was put together and checked; nothing may be added to it any more."""
        zone = cls(filling.origin)
        zone.nodes, zone._children = filling.nodes, filling.children
        zone._cuts, zone._redirections = filling.cuts, filling.redirections
        zone.nsec, zone.nsec3 = filling.nsec, filling.nsec3
        zone._replace(zone.apex, zone.nodes[zone.apex])
        if serial is not None:
            zone.set_serial(serial)
        return zone

    def apply(self, changes: Changes, serial: int) -> Delta:
        """Make many changes at once, and return what they were; watchers are told before this returns.

        The zone's serial becomes `serial` unless it is already past it (RFC 1982). Raises ConfigError, and leaves the
        zone as it was, when it could not be served afterwards.
        """
        if self.sealer is not None:
            self._drafted(changes)
            changes = self.sealer.sealed(changes, serial if is_later(serial, self.serial) else self.serial)
        nodes, removed, added = self._drafted(changes)
        before = self.soa
        for owner, node in nodes.items():
            self._replace(owner, node)
        if is_later(serial, self.serial):
            self.set_serial(serial)
        delta = Delta(self.apex, before, self.soa, tuple(removed), tuple(added))
        for changed in self._watchers:
            changed(delta)
        return delta

    def _drafted(self, changes: Changes) -> tuple[dict[bytes, Node], list[Owned], list[Owned]]:
        """Return the nodes as a change would leave them, what goes and what comes; raises ConfigError."""
        nodes: dict[bytes, Node] = {}
        removed: list[Owned] = []
        added: list[Owned] = []
        for (owner, type_), rrset in changes.items():
            node = nodes.get(owner)
            if node is None:
                self.check_is_inside(owner)
                node = self.nodes.get(owner, ())
            if rrset is not None:
                check_ttl(rrset.ttl)
                if type_ == codes.RRSIG and rrset.ttl:
                    rrset = RRset(type_, 0, rrset.data)  # each has its own, see `ttl_of`
            if type_ == codes.SOA and owner == self.apex:
                if rrset is None:
                    raise ConfigError(f"zone {self.origin}: its SOA record cannot be removed")
                nodes[owner] = with_rrset(node, type_, rrset)
                continue
            gone, come = difference(of_type(node, type_), rrset)
            # Records in another order are no change, and what was said of them stays true.
            nodes[owner] = node if gone is None and come is None else with_rrset(node, type_, rrset)
            if gone is not None:
                removed.append((owner, gone))
            if come is not None:
                added.append((owner, come))
        for owner, node in nodes.items():
            check_node(owner, self.apex, node)
        return nodes, removed, added

    def follow(self, delta: Delta) -> Delta:
        """Make a change of which we were told; raises ConfigError, and leaves the zone, when it is not one of ours."""
        if delta.apex != self.apex or delta.old_serial != self.serial:
            raise ConfigError(f"zone {self.origin}: at serial {self.serial} there is no change from {delta.old_serial}")
        return self.apply(onto(delta, self.rrset), delta.new_serial)

    def put(self, name: str, type_: str, ttl: int, data: Sequence[str], *, serial: int) -> Delta:
        """Replace one record set, given as text; no data removes it. It is done as `apply` does it."""
        number = _type(type_)
        rrset = RRset(number, ttl, rdata.unique(number, [rdata.from_text(number, item) for item in data]))
        return self.apply({(wire.name_from_text(name), number): rrset if data else None}, serial)

    def watch(self, changed: Callable[[Delta], None]) -> None:
        """Have `changed` called after every change to the zone."""
        self._watchers.append(changed)

    def rrset(self, owner: bytes, type_: int) -> RRset | None:
        """Return what stands at a name (lower-case wire form), also below a cut; no wildcard stands for another."""
        return of_type(self.nodes.get(owner, ()), type_)

    @property
    def soa(self) -> RRset:
        """The SOA record set of the apex."""
        soa = self.rrset(self.apex, codes.SOA)
        assert soa is not None
        return soa

    @property
    def serial(self) -> int:
        """The serial number in the SOA."""
        return serial_of(self.soa)

    def _negative_ttl(self, soa: RRset) -> int:
        """Tell how long in seconds others may remember that something is not here (RFC 2308 section 5)."""
        return min(soa.ttl, int.from_bytes(soa.data[0][-4:], "big"))

    def records(self) -> Iterator[Record]:
        """Iterate over all records, as text."""
        for owner, node in self.nodes.items():
            name = wire.name_to_text(owner)
            for rrset in node:
                for data in rrset.data:
                    text = rdata.to_text(rrset.type, data, 0, len(data))
                    yield Record(name, ttl_of(rrset, data), codes.type_to_text(rrset.type), text)

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        """Say what the zone knows about a name at or below its apex (RFC 1034 section 4.3.2 steps 3 and 4).

        asked: for a zone with a source, what that has answered for this question's sake.
        """
        if (self._cuts or self._redirections) and (above := self._crossing(name, type_)) is not None:
            return above
        node = self.nodes.get(name)
        if node is not None and not (self.nsec3 and name in self.nsec3):
            return _at(node, name, type_, Keep.LASTING)
        encloser = self.encloser(name)
        node = self.nodes.get(WILDCARD + encloser)
        return NOTHING if node is None else _at(node, name, type_, Keep.PASSING)

    def encloser(self, name: bytes) -> bytes:
        """Return the closest encloser of a name that is not here: the nearest above it that is (RFC 4592 3.3.1)."""
        while True:
            name = name[1 + name[0] :]
            # The hashes of NSEC3 are names of records and of nothing else (RFC 5155 section 7.2.8).
            if name in self.nodes and not (self.nsec3 and name in self.nsec3):
                return name

    @property
    def is_signed(self) -> bool:
        """Whether what is here and what is not can be proved."""
        return bool(self.nsec or self.nsec3)

    def _crossing(self, name: bytes, type_: int) -> Found | None:
        """Find the highest zone cut at or above the name, or the highest DNAME above it."""
        found = None
        at = 0
        while True:
            owner = name[at:]
            if owner in self._cuts and not (type_ == codes.DS and at == 0):
                found = Found(Kind.REFERRAL, owner, self.rrset(owner, codes.NS), Keep.PASSING if at else Keep.LASTING)
            elif at and owner in self._redirections:
                found = Found(Kind.REDIRECTION, owner, self.rrset(owner, codes.DNAME), Keep.PASSING)
            if owner == self.apex:
                return found
            at += 1 + name[at]

    def check_is_inside(self, owner: bytes) -> None:
        """Raise ConfigError for a name (lower-case wire form) that is not at or below the apex."""
        if not wire.is_within(owner, self.apex):
            raise ConfigError(f"{wire.name_to_text(owner)} is outside of the zone {self.origin}")

    def _replace(self, owner: bytes, node: Node) -> None:
        """Put a node in its place, with those above it where it is new (RFC 4592 section 2.2.2), or take it away."""
        if not node and owner != self.apex and owner not in self._children:
            self._discard(owner)
        else:
            self._make(owner)
            self.nodes[owner] = node
        _keep(self._cuts, owner, owner != self.apex and of_type(node, codes.NS) is not None)
        _keep(self._redirections, owner, of_type(node, codes.DNAME) is not None)
        if len(node) > 1 or self.nsec or self.nsec3:
            _keep(self.nsec, owner, of_type(node, codes.NSEC) is not None)
            _keep(self.nsec3, owner, of_type(node, codes.NSEC3) is not None)
        if owner == self.apex and (soa := of_type(node, codes.SOA)) is not None:
            self.negative = RRset(codes.SOA, self._negative_ttl(soa), soa.data)

    def _discard(self, owner: bytes) -> None:
        if self.nodes.pop(owner, None) is None:
            return
        parent = owner[1 + owner[0] :]
        self._children[parent] -= 1
        if not self._children[parent]:
            del self._children[parent]
            if not self.nodes[parent] and parent != self.apex:
                self._discard(parent)

    def _make(self, owner: bytes) -> None:
        """See that there is a node of this name, and one of each above it."""
        while owner not in self.nodes:
            self.nodes[owner] = ()
            if owner == self.apex:
                return
            owner = owner[1 + owner[0] :]
            self._children[owner] = self._children.get(owner, 0) + 1

    def set_serial(self, serial: int) -> None:
        """Put a serial into the SOA of a zone that nobody is served yet."""
        fresh = with_serial(self.soa, serial)
        self._replace(self.apex, with_rrset(self.nodes[self.apex], codes.SOA, fresh))


class TxtZone(Zone):
    """An `auth` zone: the names one label below its apex come from a source, asked anew by every query."""

    TXT_TTL = 1
    NEGATIVE_TTL = 60

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self._source: TxtSource = lambda label: None

    @classmethod
    def build(
        cls, origin: str, records: Iterable[Record], *, serial: int | None = None, source: TxtSource | None = None
    ) -> Self:
        """Make a zone from the records of its fixed names and the source of all others; see Zone.build."""
        zone = super().build(origin, records, serial=serial)
        if source is not None:
            zone._source = source
        return zone

    def _negative_ttl(self, soa: RRset) -> int:
        """At most a minute, so that a client that asked too early is not told so for long."""
        return min(super()._negative_ttl(soa), self.NEGATIVE_TTL)

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        """Say what the zone or its source knows; raises StoreUnavailable, and Unread when the source has to ask."""
        if name in self.nodes or name[1 + name[0] :] != self.apex:
            return super().find(name, type_)
        values = asked.values.result() if asked is not None and asked.name == name else self._ask(name)
        if values is None:
            return Found(Kind.NXDOMAIN, keep=Keep.NOT)
        if not values or type_ not in {codes.TXT, codes.ANY}:
            return Found(Kind.NODATA, keep=Keep.NOT)
        rrset = RRset(codes.TXT, self.TXT_TTL, tuple(dict.fromkeys([rdata.txt(value) for value in values])))
        return Found(Kind.DATA, name, rrset, keep=Keep.NOT)

    def _ask(self, name: bytes) -> TxtValues:
        label = name[1 : 1 + name[0]]
        # No account is called so, and what PostgreSQL says to a NUL would be said to all who ask along with it.
        if not label.isascii() or 0 in label:
            return None
        values = self._source(label.decode("ascii"))
        if isinstance(values, Future):
            raise Unread(Asked(name, values))
        return values


def _at(node: Node, owner: bytes, type_: int, keep: Keep) -> Found:
    """Say what a node has of a type; of ANY one record set is enough, the smallest (RFC 8482 section 4.1)."""
    rrset = of_type(node, type_)
    if rrset is not None:
        return Found(Kind.DATA, owner, rrset, keep)
    if not node:
        return Found(Kind.NODATA, keep=keep)
    if type_ == codes.ANY:
        return Found(Kind.DATA, owner, min(node, key=_weight), keep)
    rrset = of_type(node, codes.CNAME)
    return Found(Kind.NODATA, keep=keep) if rrset is None else Found(Kind.ALIAS, owner, rrset, keep)


def _weight(rrset: RRset) -> tuple[bool, int]:
    """What proves other records is nobody's answer to ANY, so long as there are others."""
    return rrset.type in _PROOFS, sum(map(len, rrset.data))


def _keep(names: set[bytes] | Chain, owner: bytes, belongs: bool) -> None:
    if belongs:
        names.add(owner)
    else:
        names.discard(owner)


def _type(text: str) -> int:
    try:
        type_ = codes.type_from_text(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not is_of_data(type_):
        raise ConfigError(f"{text} is not a type of data")
    return type_
