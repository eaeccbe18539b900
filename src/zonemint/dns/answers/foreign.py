"""What others say about names that are in none of our zones, in the form in which it is kept and passed on."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers.compiled import Compiled
from zonemint.dns.zones.records import Owned, RRset

__all__ = ["AUTHENTIC", "CHECKING_DISABLED", "Foreign", "Question", "passed_on", "records", "until"]

AUTHENTIC, CHECKING_DISABLED = 0x20, 0x10
"""AD and CD, in the fourth byte of a message (RFC 4035 sections 3.1.6 and 3.2)."""


class Question(NamedTuple):
    """A question of class IN for somebody else to answer.

    name: lower-case wire form; dnssec_ok: with signatures; checking_disabled: without their check; servers: the
    packed addresses of the name servers that one of our zones delegates the name to, none for everybody else's names.
    """

    name: bytes
    type: int
    dnssec_ok: bool = False
    checking_disabled: bool = False
    servers: tuple[bytes, ...] = ()


class Foreign(msgspec.Struct, frozen=True, gc=False):
    """An answer that is not ours.

    tail: the records of the answer and of the authority section, as they stand behind the question; counts: how many
    there are of each; targets: where its aliases lead, one after the other; open: it ends with an alias of whose
    target it says nothing; authoritative: it is about a name that belongs to nobody; error: the EDNS option that says
    why it failed (RFC 8914).
    """

    rcode: int
    tail: bytes = b""
    counts: tuple[int, int] = (0, 0)
    targets: tuple[bytes, ...] = ()
    open: bool = False
    authentic: bool = False
    authoritative: bool = False
    error: bytes = b""


def passed_on(foreign: Foreign, message: bytes, *, edns: bool, dnssec_ok: bool) -> Compiled:
    """Make of it the answer to a message, which is not for other messages.

    AD goes to those who understand it only (RFC 6840 section 5.8); CD comes back as it was sent.
    """
    low = 0x80 | message[3] & CHECKING_DISABLED | foreign.rcode & 15
    if foreign.authentic and (dnssec_ok or message[3] & AUTHENTIC):
        low |= AUTHENTIC
    high = 0x80 | foreign.authoritative << 2 | message[2] & 1
    answers, authorities = foreign.counts
    head = bytes((high, low, 0, 1, answers >> 8, answers & 255, authorities >> 8, authorities & 255, 0, edns))
    return Compiled(foreign.rcode, (head, head, head, head), foreign.tail, None, foreign.error)


def records(name: bytes, foreign: Foreign) -> tuple[list[Owned], list[Owned]]:
    """Return the record sets of the answer and of the authority section of what was said about a name."""
    message = bytes(12) + name + bytes(4) + foreign.tail
    at = 16 + len(name)
    sections = []
    for count in foreign.counts:
        found, at = wire.read_records(message, at, count)
        sets: dict[tuple[bytes, int], list[bytes]] = {}
        ttls: dict[tuple[bytes, int], int] = {}
        for one in found:
            key = (one.name, one.type)
            sets.setdefault(key, []).append(rdata.uncompressed(one.type, message, one.start, one.end))
            ttls[key] = min(one.ttl, ttls.get(key, one.ttl))
        sections.append([(key[0], RRset(key[1], ttls[key], tuple(data))) for key, data in sets.items()])
    return sections[0], sections[1]


def until(section: list[Owned], target: bytes) -> list[Owned]:
    """Return the aliases of an answer up to the one that leads to `target`, with their signatures."""
    for at, (_, rrset) in enumerate(section):
        if rrset.type == codes.CNAME and rrset.data[0].lower() == target:
            passed = {owner for owner, _ in section[: at + 1]}
            rest = section[at + 1 :]
            return section[: at + 1] + [one for one in rest if one[0] in passed and one[1].type == codes.RRSIG]
    return section
