"""Records as they stand in a message, names compressed (RFC 1035 section 4.1.4)."""

from __future__ import annotations

from struct import Struct

from zonemint.dns import codes
from zonemint.dns.zones.records import Owned

__all__ = ["RECORD", "Writer"]

RECORD = Struct("!HHIH")
"""Type, class, TTL and length of the data."""

_COMPRESSIBLE = {codes.CNAME: 0, codes.NS: 0, codes.PTR: 0, codes.MX: 2, codes.SOA: 0}
"""Types whose data may hold compressed names (RFC 3597 section 4), and where in the data the first one starts."""


class Writer:
    """Records one after the other, names compressed against the question and each other."""

    def __init__(self, question: bytes, skip: int) -> None:
        self.out = bytearray()
        self._base = 12 + len(question) + 4
        self._offsets: dict[bytes, int] = {}
        at = skip
        while question[at]:
            self._offsets[question[at:]] = 12 + at
            at += 1 + question[at]

    def name(self, name: bytes) -> None:
        """Write a name, its longest known suffix as a pointer."""
        at = 0
        while name[at]:
            suffix = name[at:].lower()
            offset = self._offsets.get(suffix)
            if offset is not None:
                self.out += name[:at] + (0xC000 | offset).to_bytes(2, "big")
                return
            here = self._base + len(self.out) + at
            if here < 0x4000:
                self._offsets[suffix] = here
            at += 1 + name[at]
        self.out += name

    def rrsets(self, section: list[Owned]) -> int:
        """Write the record sets of a section; return how many records they are."""
        count = 0
        for owner, rrset in section:
            for data in rrset.data:
                self.record(owner, rrset.type, rrset.ttl, data)
            count += len(rrset.data)
        return count

    def record(self, owner: bytes, type_: int, ttl: int, data: bytes) -> None:
        """Write one record of class IN."""
        self.name(owner)
        self.out += RECORD.pack(type_, codes.IN, ttl, len(data))
        start = _COMPRESSIBLE.get(type_)
        if start is None:
            self.out += data
        else:
            self._data(type_, data, start)

    def _data(self, type_: int, data: bytes, start: int) -> None:
        at = len(self.out)
        self.out += data[:start]
        for _ in range(2 if type_ == codes.SOA else 1):
            end = start
            while data[end]:
                end += 1 + data[end]
            self.name(data[start : end + 1])
            start = end + 1
        self.out += data[start:]
        self.out[at - 2 : at] = (len(self.out) - at).to_bytes(2, "big")
