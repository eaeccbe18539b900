"""What a reply says, in a form that can be compared."""

from __future__ import annotations

import struct
from collections.abc import Sequence
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
    """A record set; names and data in lower case, since servers differ in whose case they keep (RFC 4343)."""

    owner: str
    type: str
    ttl: int
    data: frozenset[str]

    def __str__(self) -> str:
        return "; ".join([f"{self.owner} {self.ttl} {self.type} {item[:70]}" for item in sorted(self.data)])


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
        tuple(map(_rrset, reply.answer)),
        frozenset(map(_rrset, reply.authority)),
        frozenset(map(_rrset, reply.additional)),
        bool(reply.ednsflags & dns.flags.DO) if reply.edns >= 0 else None,
        sum(sum(map(len, section)) for section in reply.sections[1:]) + (reply.edns >= 0) < sum(_counts(message)),
        len(message),
    )


def _counts(message: bytes) -> tuple[int, ...]:
    """Return how many records the sections behind the question have."""
    return struct.unpack_from("!3H", message, 6)


def _rrset(rrset: dns.rrset.RRset) -> RRset:
    data: Sequence[str] = [str(item).lower() for item in rrset]
    return RRset(str(rrset.name).lower(), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, frozenset(data))
