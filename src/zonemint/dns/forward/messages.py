"""Questions as we send them, and what tells the answer to one from everything else (RFC 5452 section 9.1)."""

from __future__ import annotations

import random
from enum import Enum, auto
from struct import Struct
from typing import NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import UDP_SIZE
from zonemint.dns.answers.foreign import Question

__all__ = ["Match", "Sent", "compare", "extended_errors", "write"]

_OPT = Struct("!BHHIH")
_random = random.SystemRandom()


class Sent(NamedTuple):
    """A message that was sent, and the part of it that is the question."""

    message: bytes
    question: bytes


class Match(Enum):
    """How a message that came answers one that was sent."""

    NO = auto()
    OTHER_CASE = auto()
    ERROR = auto()
    YES = auto()


def write(question: Question, *, edns: bool, mixed_case: bool) -> Sent:
    """Write a question with a random id, and perhaps random letter case (draft-vixie-dnsext-dns0x20).

    RD is set, but for servers that a zone of ours names. AD asks for AD in the answer (RFC 6840 section 5.7).
    """
    flags = bytes((0 if question.servers else 1, 0x20 | question.checking_disabled << 4))
    name = _mixed(question.name) if mixed_case else question.name
    asked = name + question.type.to_bytes(2, "big") + b"\0\1"
    opt = _OPT.pack(0, codes.OPT, UDP_SIZE, question.dnssec_ok << 15, 0) if edns else b""
    head = _random.randbytes(2) + flags + b"\0\1\0\0\0\0\0" + bytes((edns,))
    return Sent(head + asked + opt, asked)


def _mixed(name: bytes) -> bytes:
    """Change letters of a name at random; bytes that are no letters, lengths among them, stay as they are."""
    bits = _random.getrandbits(len(name))
    return bytes([byte ^ ((bits >> at & 1) << 5) if 97 <= byte <= 122 else byte for at, byte in enumerate(name)])


def compare(reply: bytes, sent: Sent) -> Match:
    """Tell whether a message is the answer to another: response, id, opcode and question.

    An error may come without the question.
    """
    if len(reply) < 12 or reply[:2] != sent.message[:2] or reply[2] & 0xF8 != 0x80:
        return Match.NO
    if reply[4:6] == b"\0\0":
        return Match.ERROR if reply[3] & 15 else Match.NO
    asked = sent.question
    found = reply[12 : 12 + len(asked)]
    if reply[4:6] != b"\0\1" or found[-4:] != asked[-4:] or found[:-4].lower() != asked[:-4].lower():
        return Match.NO
    return Match.YES if found == asked else Match.OTHER_CASE


def extended_errors(reply: bytes) -> bytes:
    """Return the options of an answer that say why it is as it is, in wire form (RFC 8914).

    Raises ForeignDataError.
    """
    at = 12
    for _ in range(int.from_bytes(reply[4:6], "big")):
        at = wire.read_name(reply, at)[1] + 4
    count = sum(int.from_bytes(reply[start : start + 2], "big") for start in (6, 8, 10))
    found = b""
    for record in wire.read_records(reply, at, count)[0]:
        if record.type == codes.OPT:
            wire.check_options(reply, record.start, record.end)
            at = record.start
            while at < record.end:
                end = at + 4 + int.from_bytes(reply[at + 2 : at + 4], "big")
                if int.from_bytes(reply[at : at + 2], "big") == codes.OPTION_ERROR and end - at >= 6:
                    found += reply[at:end]
                at = end
    if len(found) > 512:
        raise ForeignDataError("an answer with more reasons than anybody reads")
    return found
