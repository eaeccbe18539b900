"""NSEC records: the next name, and what is at this one (RFC 4034 section 4)."""

from __future__ import annotations

from collections.abc import Iterable

from zonemint.dns import codes
from zonemint.dns.zones.records import RRset

__all__ = ["bitmap", "nsec"]


def bitmap(types: Iterable[int]) -> bytes:
    """Return the types as a bitmap in windows of 256 (section 4.1.2)."""
    windows: dict[int, bytearray] = {}
    for type_ in types:
        window = windows.setdefault(type_ >> 8, bytearray(32))
        window[(type_ & 255) >> 3] |= 0x80 >> (type_ & 7)
    out = b""
    for number, bits in sorted(windows.items()):
        used = bits.rstrip(b"\0")
        out += bytes((number, len(used))) + used
    return out


def nsec(following: bytes, types: Iterable[int], ttl: int) -> RRset:
    """Return the NSEC record of a name with these types, after which comes `following`."""
    return RRset(codes.NSEC, ttl, (following + bitmap([*types, codes.NSEC, codes.RRSIG]),))
