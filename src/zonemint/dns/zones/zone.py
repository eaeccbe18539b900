"""Authoritative data of a zone, and what it says about one name and type (RFC 1034 section 4.3.2)."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import NamedTuple, Self, TypeAlias

import msgspec

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire

__all__ = [
    "Asked",
    "Found",
    "Keep",
    "Kind",
    "RRset",
    "Record",
    "TxtSource",
    "TxtValues",
    "TxtZone",
    "Unread",
    "Zone",
    "is_later",
]

_BESIDE_CNAME = frozenset({codes.CNAME, codes.RRSIG, codes.NSEC})
_SINGLE = frozenset({codes.CNAME, codes.DNAME, codes.SOA})
_WILDCARD = b"\x01*"


@dataclass(frozen=True, slots=True)
class Record:
    """One record as text: normalized absolute name (or `*.` and one), TTL in seconds, data in presentation form.

    line: where the record stands in its file, from 1; 0 when it does not come from a file.
    """

    name: str
    ttl: int
    type: str
    data: str
    line: int = 0


class RRset(msgspec.Struct, frozen=True, gc=False):
    """The records of one name and type: one TTL (RFC 2181 section 5.2), data in uncompressed wire form."""

    type: int
    ttl: int
    data: tuple[bytes, ...]


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


_NOTHING = Found(Kind.NXDOMAIN, keep=Keep.PASSING)

Node = dict[int, RRset]
"""The record sets of one name, by type."""

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


class Zone:
    """The data of one zone; used from the event loop's thread only.

    apex: the origin in wire form; nodes: what is at each name, empty non-terminals included; negative: the SOA as
    it goes into negative answers, with their TTL.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.apex = wire.name_from_text(origin)
        self.nodes: dict[bytes, Node] = {}
        self.negative = RRset(codes.SOA, 0, ())
        self._children: dict[bytes, int] = {}
        self._cuts: set[bytes] = set()
        self._redirections: set[bytes] = set()
        self._watchers: list[Callable[[], None]] = []

    @classmethod
    def build(cls, origin: str, records: Iterable[Record], *, serial: int | None = None) -> Self:
        """Make a zone from its records; `serial` goes into the SOA instead of the one that the records give.

        Raises ConfigError naming the record when they contradict each other or lie outside the zone.
        """
        zone = cls(origin)
        zone._load(records, serial)
        return zone

    def _load(self, records: Iterable[Record], serial: int | None) -> None:
        ttls: dict[tuple[bytes, int], int] = {}
        sets: dict[tuple[bytes, int], dict[bytes, Record]] = {}
        for record in records:
            try:
                key = (self._owner(record.name), _type(record.type))
                data = rdata.from_text(key[1], record.data)
                _check_ttl(record.ttl)
            except ConfigError as error:
                raise ConfigError(f"{record.name} {record.type}: {error.detail}", line=record.line) from None
            ttls[key] = min(record.ttl, ttls.get(key, record.ttl))
            sets.setdefault(key, {})[data] = record
        for (name, type_), data_records in sets.items():
            try:
                self._set(name, RRset(type_, ttls[name, type_], tuple(data_records)))
            except ConfigError as error:
                raise ConfigError(error.detail, line=next(reversed(data_records.values())).line) from None
        if codes.SOA not in self.nodes.get(self.apex, {}):
            raise ConfigError(f"zone {self.origin}: it has no SOA record")
        if serial is not None:
            self._set_serial(serial)

    def put(self, name: str, type_: str, ttl: int, data: Sequence[str], *, serial: int) -> None:
        """Replace one record set; no data removes it. Answers compiled before are not served any more.

        The zone's serial becomes `serial` unless it is already past it (RFC 1982). Raises ConfigError, and leaves
        the zone as it was, when the data contradict the rest of the zone.
        """
        owner = self._owner(name)
        number = _type(type_)
        _check_ttl(ttl)
        if data:
            self._set(owner, RRset(number, ttl, tuple(dict.fromkeys([rdata.from_text(number, item) for item in data]))))
        elif owner == self.apex and number == codes.SOA:
            raise ConfigError(f"zone {self.origin}: its SOA record cannot be removed")
        else:
            self._discard(owner, number)
        if is_later(serial, self.serial):
            self._set_serial(serial)
        for changed in self._watchers:
            changed()

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called after every change to the zone."""
        self._watchers.append(changed)

    @property
    def soa(self) -> RRset:
        """The SOA record set of the apex."""
        return self.nodes[self.apex][codes.SOA]

    @property
    def serial(self) -> int:
        """The serial number in the SOA."""
        return int.from_bytes(self.soa.data[0][-20:-16], "big")

    def _negative_ttl(self, soa: RRset) -> int:
        """Tell how long in seconds others may remember that something is not here (RFC 2308 section 5)."""
        return min(soa.ttl, int.from_bytes(soa.data[0][-4:], "big"))

    def records(self) -> Iterator[Record]:
        """Iterate over all records, as text."""
        for owner, node in self.nodes.items():
            name = wire.name_to_text(owner)
            for rrset in node.values():
                for data in rrset.data:
                    text = rdata.to_text(rrset.type, data, 0, len(data))
                    yield Record(name, rrset.ttl, codes.type_to_text(rrset.type), text)

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        """Say what the zone knows about a name at or below its apex (RFC 1034 section 4.3.2 steps 3 and 4).

        asked: for a zone with a source, what that has answered for this question's sake.
        """
        if (self._cuts or self._redirections) and (above := self._crossing(name, type_)) is not None:
            return above
        node = self.nodes.get(name)
        if node is not None:
            return _at(node, name, type_, Keep.LASTING)
        encloser = name
        while encloser not in self.nodes:
            encloser = encloser[1 + encloser[0] :]
        node = self.nodes.get(_WILDCARD + encloser)
        return _NOTHING if node is None else _at(node, name, type_, Keep.PASSING)

    def _crossing(self, name: bytes, type_: int) -> Found | None:
        """Find the highest zone cut at or above the name, or the highest DNAME above it."""
        found = None
        at = 0
        while True:
            owner = name[at:]
            if owner in self._cuts and not (type_ == codes.DS and at == 0):
                found = Found(Kind.REFERRAL, owner, self.nodes[owner][codes.NS], Keep.PASSING if at else Keep.LASTING)
            elif at and owner in self._redirections:
                found = Found(Kind.REDIRECTION, owner, self.nodes[owner][codes.DNAME], Keep.PASSING)
            if owner == self.apex:
                return found
            at += 1 + name[at]

    def _owner(self, name: str) -> bytes:
        owner = wire.name_from_text(name)
        at = 0
        while owner[at:] != self.apex:
            if not owner[at]:
                raise ConfigError(f"{name} is outside of the zone {self.origin}")
            at += 1 + owner[at]
        return owner

    def _set(self, owner: bytes, rrset: RRset) -> None:
        node = self.nodes.get(owner, {})
        name, type_ = wire.name_to_text(owner), codes.type_to_text(rrset.type)
        if rrset.type in _SINGLE and len(rrset.data) > 1:
            raise ConfigError(f"{name} has more than one {type_} record")
        if rrset.type == codes.SOA and owner != self.apex:
            raise ConfigError(f"{name} has a SOA record, which belongs to the zone's own name {self.origin}")
        if rrset.type in {codes.NS, codes.DNAME} and owner.startswith(_WILDCARD):
            raise ConfigError(f"{name} is a wildcard and cannot have a {type_} record (RFC 4592 section 4)")
        others = node.keys() - {rrset.type}
        if (rrset.type == codes.CNAME and others - _BESIDE_CNAME) or (
            codes.CNAME in others and rrset.type not in _BESIDE_CNAME
        ):
            listed = ", ".join(sorted(map(codes.type_to_text, (others | {rrset.type}) - {codes.CNAME})))
            raise ConfigError(f"{name} has a CNAME record and other data: {listed}")
        self._node(owner)[rrset.type] = rrset
        if rrset.type == codes.SOA:
            self.negative = RRset(codes.SOA, self._negative_ttl(rrset), rrset.data)
        if rrset.type == codes.NS and owner != self.apex:
            self._cuts.add(owner)
        if rrset.type == codes.DNAME:
            self._redirections.add(owner)

    def _discard(self, owner: bytes, type_: int) -> None:
        node = self.nodes.get(owner)
        if node is None or node.pop(type_, None) is None:
            return
        if type_ == codes.NS:
            self._cuts.discard(owner)
        if type_ == codes.DNAME:
            self._redirections.discard(owner)
        while not self.nodes[owner] and owner != self.apex and owner not in self._children:
            del self.nodes[owner]
            owner = owner[1 + owner[0] :]
            self._children[owner] -= 1
            if not self._children[owner]:
                del self._children[owner]

    def _node(self, owner: bytes) -> Node:
        """Return the node of a name, made with those above it where it is new (RFC 4592 section 2.2.2)."""
        node = self.nodes.get(owner)
        if node is None:
            node = self.nodes[owner] = {}
            if owner != self.apex:
                parent = owner[1 + owner[0] :]
                self._node(parent)
                self._children[parent] = self._children.get(parent, 0) + 1
        return node

    def _set_serial(self, serial: int) -> None:
        soa = self.soa
        data = soa.data[0]
        fresh = data[:-20] + (serial & 0xFFFFFFFF).to_bytes(4, "big") + data[-16:]
        self._set(self.apex, RRset(codes.SOA, soa.ttl, (fresh,)))


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
    """Say what a node has of a type; of ANY one record set is enough (RFC 8482 section 4.1)."""
    rrset = node.get(type_)
    if rrset is not None:
        return Found(Kind.DATA, owner, rrset, keep)
    if not node:
        return Found(Kind.NODATA, keep=keep)
    if type_ == codes.ANY:
        return Found(Kind.DATA, owner, next(iter(node.values())), keep)
    rrset = node.get(codes.CNAME)
    return Found(Kind.NODATA, keep=keep) if rrset is None else Found(Kind.ALIAS, owner, rrset, keep)


def is_later(serial: int, than: int) -> bool:
    """Compare serial numbers, which wrap around (RFC 1982 section 3.2)."""
    return 0 < (serial - than) & 0xFFFFFFFF < 0x80000000


def _type(text: str) -> int:
    try:
        type_ = codes.type_from_text(text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if type_ == codes.OPT or 128 <= type_ <= 255:
        raise ConfigError(f"{text} is not a type of data")
    return type_


def _check_ttl(ttl: int) -> None:
    if not 0 <= ttl <= 0x7FFFFFFF:
        raise ConfigError(f"a TTL is 0 to 2147483647 seconds, not {ttl}")
