"""One signature: over which bytes, and from when to when (RFC 4034 sections 3 and 6)."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from zonemint.dns import codes, wire
from zonemint.dns.dnssec.keys import SigningKey
from zonemint.dns.zones.records import WILDCARD, RRset

__all__ = ["Lifetimes", "head", "made_anew", "sign"]

_HEAD = Struct("!HBBIIIH")
_RECORD = Struct("!HHIH")
_PHASES = 16
"""How many parts a zone has that are signed anew at different times, so that it is never done all at once."""

_AS_IT_IS = frozenset({codes.A, codes.AAAA, codes.TXT, codes.DS, codes.DNSKEY, codes.CDS, codes.CDNSKEY, codes.NSEC})
"""Types whose data have no names, or none that are in lower case when signed (RFC 6840 section 5.1)."""
_A_NAME = frozenset({codes.NS, codes.CNAME, codes.PTR, codes.DNAME})


class Lifetimes(NamedTuple):
    """How long signatures hold, in seconds, and how long a part of them is used before they are made anew.

    Both follow from the clock and from what is signed alone, so that all servers with the key make the same ones.
    """

    lifetime: int
    period: int

    @classmethod
    def of(cls, lifetime: float) -> Lifetimes:
        """Have signatures made anew when half of their life is over."""
        return cls(int(lifetime), max(int(lifetime) // 2 // _PHASES, 1) * _PHASES)

    @property
    def step(self) -> int:
        """Seconds from one part to the next."""
        return self.period // _PHASES

    def span(self, owner: bytes, type_: int, now: float) -> tuple[int, int]:
        """Return when the present signature of a record set begins to hold and when it ends (seconds, Unix time)."""
        digest = blake2b(owner + type_.to_bytes(2, "big"), digest_size=2).digest()
        phase = int.from_bytes(digest, "big") % _PHASES * self.step
        start = int(now - phase) // self.period * self.period + phase
        # Clocks that are behind ours are those of people who would look for the mistake elsewhere.
        return start - min(3600, self.lifetime), start + self.lifetime

    def next_change(self, now: float) -> int:
        """Return when the next part of the signatures is to be made anew."""
        return (int(now) // self.step + 1) * self.step


def head(key: SigningKey, owner: bytes, rrset: RRset, apex: bytes, span: tuple[int, int]) -> bytes:
    """Return the data of an RRSIG record before the signature."""
    labels = sum(1 for _ in wire.labels(owner)) - owner.startswith(WILDCARD)
    number, (start, end) = key.algorithm.number, span
    fixed = _HEAD.pack(rrset.type, number, labels, rrset.ttl, end & 0xFFFFFFFF, start & 0xFFFFFFFF, key.tag)
    return fixed + apex


def sign(key: SigningKey, owner: bytes, rrset: RRset, begin: bytes) -> bytes:
    """Return the data of an RRSIG record that begins as `head` says; the owner is in lower-case wire form."""
    every = sorted([_canonical(rrset.type, data) for data in rrset.data])
    parts = [begin]
    for data in every:
        parts += (owner, _RECORD.pack(rrset.type, codes.IN, rrset.ttl, len(data)), data)
    return begin + key.sign(b"".join(parts))


def made_anew(data: bytes) -> int:
    """Return when a signature begins to hold, from its record's data, in seconds modulo 2^32."""
    return int.from_bytes(data[12:16], "big")


def _canonical(type_: int, data: bytes) -> bytes:
    """Return data with their names in lower case where they are so when signed (RFC 4034 section 6.2)."""
    if type_ in _AS_IT_IS:
        return data
    if type_ in _A_NAME:
        return data.lower()
    kind = dns.rdatatype.RdataType.make(type_)
    return dns.rdata.from_wire(dns.rdataclass.IN, kind, data, 0, len(data)).to_digestable()
