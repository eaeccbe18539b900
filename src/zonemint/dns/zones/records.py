"""Records, as text and as bytes, and what may stand together at one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, wire

__all__ = [
    "WILDCARD",
    "Node",
    "Owned",
    "RRset",
    "Record",
    "check_node",
    "check_ttl",
    "is_later",
    "is_of_data",
    "of_type",
    "ttl_of",
    "with_rrset",
]

WILDCARD = b"\x01*"
"""The first label of a wildcard's name (RFC 4592 section 2.1.1)."""

_BESIDE_CNAME = frozenset({codes.CNAME, codes.RRSIG, codes.NSEC})
_ITERATIONS = 500
"""Of NSEC3's hash: each is work for every answer about what is not there (RFC 9276 section 2.3, appendix A)."""
_SINGLE = frozenset({codes.CNAME, codes.DNAME, codes.SOA})


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


Node: TypeAlias = tuple[RRset, ...]
"""The record sets of one name; an empty non-terminal has none. Nearly every name has one or two."""

Owned: TypeAlias = tuple[bytes, RRset]
"""A record set with its owner in wire form."""


def check_ttl(ttl: int) -> None:
    """Raise ConfigError for what is no TTL (RFC 2181 section 8)."""
    if not 0 <= ttl <= 0x7FFFFFFF:
        raise ConfigError(f"a TTL is 0 to 2147483647 seconds, not {ttl}")


def is_of_data(type_: int) -> bool:
    """Tell whether records of a type can be in a zone (RFC 6895 section 3.1)."""
    return (0 < type_ < 128 and type_ != codes.OPT) or 256 <= type_ < 0xFFFF


def of_type(node: Node, type_: int) -> RRset | None:
    """Return the record set of a type at a name."""
    for rrset in node:
        if rrset.type == type_:
            return rrset
    return None


def ttl_of(rrset: RRset, data: bytes) -> int:
    """Return the TTL of one record of a zone: a signature has that of what it covers (RFC 4034 section 3)."""
    return int.from_bytes(data[4:8], "big") if rrset.type == codes.RRSIG else rrset.ttl


def with_rrset(node: Node, type_: int, rrset: RRset | None) -> Node:
    """Return a node with another record set of a type, or with none."""
    if rrset is None:
        return tuple([one for one in node if one.type != type_])
    if of_type(node, type_) is None:
        return (*node, rrset)
    return tuple([rrset if one.type == type_ else one for one in node])


def check_node(owner: bytes, apex: bytes, node: Node) -> None:
    """Raise ConfigError when record sets cannot be those of one name (lower-case wire form) of a zone."""
    for rrset in node:
        if rrset.type in _SINGLE and len(rrset.data) > 1:
            raise ConfigError(f"{wire.name_to_text(owner)} has more than one {codes.type_to_text(rrset.type)} record")
        if rrset.type == codes.SOA and owner != apex:
            raise ConfigError(
                f"{wire.name_to_text(owner)} has a SOA record, which belongs to the zone's own name "
                f"{wire.name_to_text(apex)}"
            )
        if rrset.type == codes.NSEC3:
            _check_nsec3(owner, rrset.data)
        if rrset.type in (codes.NS, codes.DNAME) and owner.startswith(WILDCARD):
            raise ConfigError(
                f"{wire.name_to_text(owner)} is a wildcard and cannot have a {codes.type_to_text(rrset.type)} record "
                "(RFC 4592 section 4)"
            )
    if len(node) > 1 and of_type(node, codes.CNAME) is not None:
        others = {rrset.type for rrset in node} - _BESIDE_CNAME
        if others:
            listed = ", ".join(sorted(map(codes.type_to_text, others)))
            raise ConfigError(f"{wire.name_to_text(owner)} has a CNAME record and other data: {listed}")


def _check_nsec3(owner: bytes, found: Sequence[bytes]) -> None:
    """Check what each denial is made of: its parameters, salt and next hash (RFC 5155 section 3.2)."""
    for data in found:
        salt = 5 + data[4] if len(data) > 4 else len(data)
        if len(data) < salt + 1 or len(data) < salt + 1 + data[salt]:
            raise ConfigError(f"{wire.name_to_text(owner)} has a NSEC3 record that ends early")
        if (iterations := int.from_bytes(data[2:4], "big")) > _ITERATIONS:
            raise ConfigError(
                f"{wire.name_to_text(owner)} has a NSEC3 record with {iterations} iterations; validators take "
                f"{_ITERATIONS} at most, and none is best (RFC 9276)"
            )


def is_later(serial: int, than: int) -> bool:
    """Compare serial numbers, which wrap around (RFC 1982 section 3.2)."""
    return 0 < (serial - than) & 0xFFFFFFFF < 0x80000000
