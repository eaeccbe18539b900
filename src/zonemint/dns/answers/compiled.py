"""An answer as bytes, made once and then only patched: id, RD, the client's letter case, OPT (RFC 1035 section 4.1)."""

from __future__ import annotations

from struct import Struct

import msgspec

from zonemint.dns import codes
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.answers.writer import RECORD, Writer
from zonemint.dns.wire import Query

__all__ = ["UDP_SIZE", "Compiled", "assemble", "bare", "compile_answer", "option"]

UDP_SIZE = 1232
"""The largest UDP answer that we send, and the size that we announce: it fits into one IPv6 packet everywhere."""

_COUNTS = Struct("!BBHHHH")
_Heads = tuple[bytes, bytes, bytes, bytes]


class Compiled(msgspec.Struct, frozen=True, gc=False):
    """Everything of an answer but its id, question and OPT.

    heads: flags and counts, by RD + 2 * EDNS; tail: the records; lean: the same without the additional records that
    may be left out, None where there are none; error: the EDNS option that says why.
    """

    rcode: int
    heads: _Heads
    tail: bytes
    lean: Compiled | None
    error: bytes = b""


def compile_answer(name: bytes, answer: Answer, *, skip: int = 0, recursion: bool = False) -> Compiled:
    """Write the sections of an answer to a question about a name (lower-case wire form).

    skip: bytes at the name's start that no pointer may lead to, so that the answer fits other names too;
    recursion: whether it is offered, the RA bit.
    """
    lean = None
    if len(answer.additional) > answer.glue:
        needed = msgspec.structs.replace(answer, additional=answer.additional[: answer.glue])
        lean = compile_answer(name, needed, recursion=recursion)
    writer = Writer(name, skip)
    counts = [writer.rrsets(section) for section in (answer.answer, answer.authority, answer.additional)]
    flags = 0x84 if answer.authoritative else 0x80
    heads = _heads(flags, answer.rcode & 15 | recursion << 7, *counts)
    return Compiled(answer.rcode, heads, bytes(writer.out), lean, answer.error)


def _heads(flags: int, low: int, answers: int, authorities: int, additionals: int) -> _Heads:
    def head(rd: int, edns: int) -> bytes:
        return _COUNTS.pack(flags | rd, low, 1, answers, authorities, additionals + edns)

    return head(0, 0), head(1, 0), head(0, 1), head(1, 1)


def option(rcode: int = 0, *, dnssec_ok: bool = False) -> bytes:
    """Make our OPT record: version 0, no options, the upper bits of the rcode, DO as it came (RFC 6891, RFC 3225)."""
    return b"\0" + RECORD.pack(codes.OPT, UDP_SIZE, (rcode >> 4) << 24 | dnssec_ok << 15, 0)


_OPTS = (b"", b"", option(), option(dnssec_ok=True))


def bare(message: bytes, query: Query, rcode: int, *, truncated: bool = False) -> bytes:
    """Make an answer of nothing but the question, and the OPT where the query has one, for rcodes above 15 too."""
    head = _COUNTS.pack(0x80 | truncated << 1 | message[2] & 0x79, rcode & 15, 1, 0, 0, int(query.edns))
    opt = option(rcode, dnssec_ok=query.dnssec_ok) if query.edns else b""
    return message[:2] + head + message[12 : query.end] + opt


def assemble(message: bytes, end: int, edns: bool, dnssec_ok: bool, compiled: Compiled, limit: int) -> bytes:
    """Make the answer to a message whose question ends at `end`, of `limit` bytes at most.

    When it would be longer, additional records go first, then all records, with TC set (RFC 2181 section 9).
    """
    variant = (message[2] & 1) | edns << 1
    opt = _OPTS[edns << 1 | dnssec_ok]
    reply = message[:2] + compiled.heads[variant] + message[12:end] + compiled.tail + opt
    if len(reply) <= limit:
        return reply
    if compiled.lean is not None:
        return assemble(message, end, edns, dnssec_ok, compiled.lean, limit)
    head = compiled.heads[variant]
    return message[:2] + _COUNTS.pack(head[0] | 2, head[1], 1, 0, 0, int(edns)) + message[12:end] + opt
