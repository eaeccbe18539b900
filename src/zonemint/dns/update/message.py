"""An update as it comes: the zone, what has to be so beforehand, and what is to be changed (RFC 2136 section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import msgspec

from zonemint.core.errors import BadName, ConfigError, ForeignDataError, UpdateRefused
from zonemint.dns import codes, rdata, wire
from zonemint.dns.wire import WireRecord

__all__ = ["Kind", "Operation", "Prerequisite", "Sections", "Update", "read", "split"]

_LONGEST_TTL = 0x7FFFFFFF


class Kind(Enum):
    """What is done to a name (section 2.5)."""

    ADD = 1
    REMOVE_NAME = 2
    REMOVE_RRSET = 3
    REMOVE_RECORD = 4


class Prerequisite(msgspec.Struct, frozen=True):
    """That records of a name (lower-case wire form) and type exist, or do not; ANY is any type (section 2.4)."""

    owner: bytes
    type: int
    exists: bool


class Operation(msgspec.Struct, frozen=True):
    """One change; the data in uncompressed wire form, names in lower-case wire form."""

    kind: Kind
    owner: bytes
    type: int = codes.ANY
    ttl: int = 0
    data: bytes = b""


class Update(msgspec.Struct, frozen=True):
    """What a message asks for.

    zone: its apex in lower-case wire form; sets: record sets that have to be exactly so (section 2.4.2), by name and
    type.
    """

    zone: bytes
    prerequisites: tuple[Prerequisite, ...]
    sets: Mapping[tuple[bytes, int], frozenset[bytes]]
    operations: tuple[Operation, ...]


class Sections(NamedTuple):
    """A message whose records were found, and not yet read: the zone as in Update, the records of each section."""

    zone: bytes
    prerequisites: list[WireRecord]
    changes: list[WireRecord]
    edns: bool


def split(message: bytes) -> Sections:
    """Find the records of a message without its signature; raises ForeignDataError for FORMERR, UpdateRefused."""
    if message[4:6] != b"\0\1":
        raise ForeignDataError("an update is for one zone")
    name, at = wire.read_name(message, 12)
    if message[at : at + 2] != b"\0\6":
        raise ForeignDataError("an update names its zone by type SOA")
    class_ = message[at + 2 : at + 4]
    at += 4
    sections = []
    for field in (6, 8, 10):
        found, at = wire.read_records(message, at, int.from_bytes(message[field : field + 2], "big"))
        sections.append(found)
    if at != len(message):
        raise ForeignDataError("bytes follow the last record, or it ends early")
    before, changes, additional = sections
    options = sum(record.type == codes.OPT for record in additional)
    if options > 1 or any(record.type == codes.OPT for record in (*before, *changes)):
        raise ForeignDataError("one OPT, among the additional records")
    if class_ != b"\0\1":
        raise UpdateRefused(codes.NOTAUTH, "there are zones of class IN here")
    return Sections(name.lower(), before, changes, bool(options))


def read(message: bytes, sections: Sections) -> Update:
    """Read the records; raises ForeignDataError for FORMERR, UpdateRefused for names outside of the zone."""
    prerequisites: list[Prerequisite] = []
    sets: dict[tuple[bytes, int], set[bytes]] = {}
    for record in sections.prerequisites:
        _read_prerequisite(message, record, prerequisites, sets)
    operations = tuple([_operation(message, record) for record in sections.changes])
    for record in (*sections.prerequisites, *sections.changes):
        if not wire.is_within(record.name, sections.zone):
            raise UpdateRefused(codes.NOTZONE, f"{wire.name_to_text(record.name)} is outside of the zone")
    wanted = {key: frozenset(data) for key, data in sets.items()}
    return Update(sections.zone, tuple(prerequisites), wanted, operations)


def _read_prerequisite(
    message: bytes,
    record: WireRecord,
    prerequisites: list[Prerequisite],
    sets: dict[tuple[bytes, int], set[bytes]],
) -> None:
    if record.ttl:
        raise ForeignDataError("a prerequisite has no TTL")
    if record.class_ in (codes.ANY, codes.NONE):
        if record.end > record.start or (_is_meta(record.type) and record.type != codes.ANY):
            raise ForeignDataError("a prerequisite of class ANY or NONE has no data, and a type of data or ANY")
        prerequisites.append(Prerequisite(record.name, record.type, record.class_ == codes.ANY))
    elif record.class_ == codes.IN and not _is_meta(record.type):
        sets.setdefault((record.name, record.type), set()).add(rdata.folded(record.type, _data(message, record)))
    else:
        raise ForeignDataError("a prerequisite has the class ANY, NONE or IN")


def _operation(message: bytes, record: WireRecord) -> Operation:
    """Read a change, as section 3.4.1 checks it."""
    if record.class_ == codes.IN:
        if _is_meta(record.type):
            raise ForeignDataError("only data can be added")
        # What has the highest bit set counts as none (RFC 2181 section 8).
        ttl = record.ttl if record.ttl <= _LONGEST_TTL else 0
        return Operation(Kind.ADD, record.name, record.type, ttl, _data(message, record))
    if record.ttl or record.class_ not in (codes.ANY, codes.NONE):
        raise ForeignDataError("a change has the class IN, or no TTL and the class ANY or NONE")
    if record.class_ == codes.NONE:
        if _is_meta(record.type):
            raise ForeignDataError("only data can be removed")
        return Operation(Kind.REMOVE_RECORD, record.name, record.type, 0, _data(message, record))
    if record.end > record.start or (_is_meta(record.type) and record.type != codes.ANY):
        raise ForeignDataError("what removes record sets has no data, and a type of data or ANY")
    if record.type == codes.ANY:
        return Operation(Kind.REMOVE_NAME, record.name)
    return Operation(Kind.REMOVE_RRSET, record.name, record.type)


def _is_meta(type_: int) -> bool:
    """Tell whether no record of a zone can have a type (RFC 6895 section 3.1)."""
    return type_ in (0, codes.OPT) or 128 <= type_ <= 255


def _data(message: bytes, record: WireRecord) -> bytes:
    """Return a record's data as a zone would have them that is read from text, which is what the store keeps."""
    size = record.end - record.start
    if (record.type, size) in ((codes.A, 4), (codes.AAAA, 16)):
        return message[record.start : record.end]
    text = rdata.to_text(record.type, message, record.start, record.end)
    if record.type == codes.TXT:
        return message[record.start : record.end]
    try:
        return rdata.from_text(record.type, text)
    except (BadName, ConfigError) as error:
        raise ForeignDataError(str(error)) from None
