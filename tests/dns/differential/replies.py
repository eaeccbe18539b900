"""What a reply says, in a form that can be compared."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["RRset", "Reply", "read"]


@dataclass(frozen=True, order=True)
class RRset:
    """A record set; names and data in lower case, since servers differ in whose case they keep (RFC 4343).

    signatures: TTL and data of the RRSIG records that cover it, in the same section.
    """

    owner: str
    type: str
    ttl: int
    data: frozenset[str]
    signatures: frozenset[str] = frozenset()

    def __str__(self) -> str:
        signed = f" (signed: {len(self.signatures)})" if self.signatures else ""
        return "; ".join([f"{self.owner} {self.ttl} {self.type} {item[:70]}" for item in sorted(self.data)]) + signed


@dataclass(frozen=True)
class Reply:
    """A reply: the answer section in its order, since aliases are read in it; the others as sets.

    dnssec_ok: None without EDNS; repeats: a record comes twice.
    """

    rcode: str
    authoritative: bool
    truncated: bool
    answer: tuple[RRset, ...]
    authority: frozenset[RRset]
    additional: frozenset[RRset]
    dnssec_ok: bool | None
    repeats: bool
    size: int

    def __str__(self) -> str:
        flags = "".join([f"{word} " for word in ("authoritative", "truncated", "repeats") if getattr(self, word)])
        lines = [f"{self.rcode} {flags}do={self.dnssec_ok} {self.size} bytes"]
        for name, section in (
            ("answer", self.answer),
            ("authority", sorted(self.authority)),
            ("additional", sorted(self.additional)),
        ):
            lines += [f"  {name}: {rrset}" for rrset in section]
        return "\n".join(lines)


def read(message: bytes, query: dns.message.Message) -> Reply:
    """Read a reply to a query; raises when it is none, or is malformed."""
    reply = dns.message.from_wire(message)
    assert query.is_response(reply), "id, opcode or question differ"
    return Reply(
        dns.rcode.to_text(reply.rcode()),
        bool(reply.flags & dns.flags.AA),
        bool(reply.flags & dns.flags.TC),
        tuple(_rrsets(reply.answer)),
        frozenset(_rrsets(reply.authority)),
        frozenset(_rrsets(reply.additional)),
        bool(reply.ednsflags & dns.flags.DO) if reply.edns >= 0 else None,
        sum(sum(map(len, section)) for section in reply.sections[1:]) + (reply.edns >= 0) < sum(_counts(message)),
        len(message),
    )


def _counts(message: bytes) -> tuple[int, ...]:
    """Return how many records the sections behind the question have."""
    return struct.unpack_from("!3H", message, 6)


def _rrsets(section: Sequence[dns.rrset.RRset]) -> Iterator[RRset]:
    """Read a section, each set with what signs it; signatures of what is not there stand alone."""
    covered = {(rrset.name, rrset.rdtype) for rrset in section}
    signatures = {
        (rrset.name, rrset.covers): frozenset([f"{rrset.ttl} {item}" for item in rrset])
        for rrset in section
        if rrset.rdtype == dns.rdatatype.RRSIG and (rrset.name, rrset.covers) in covered
    }
    for rrset in section:
        if rrset.rdtype == dns.rdatatype.RRSIG and (rrset.name, rrset.covers) in signatures:
            continue
        owner, type_ = str(rrset.name).lower(), dns.rdatatype.to_text(rrset.rdtype)
        data = frozenset([str(item).lower() for item in rrset])
        yield RRset(owner, type_, rrset.ttl, data, signatures.get((rrset.name, rrset.rdtype), frozenset()))
