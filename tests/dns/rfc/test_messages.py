"""Rules about messages rather than zones, held against every byte of the reply."""

from __future__ import annotations

import pytest

from tests.dns.asking import answer, zone
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones.catalog import Catalog

ZONE = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nwww 60 A 192.0.2.1\nm 60 MX 10 Www\nm 60 TXT " + "x" * 200 + "\n"
ZONE += "".join([f"big 60 TXT {n:02}{'x' * 97}\n" for n in range(5)])

LAB = b"\3lab\4test\0"
WWW = b"\3www" + LAB + b"\0\1\0\1"
LOUD = b"\3WwW\3lAb\4TEST\0\0\1\0\1"
MX = b"\1m" + LAB + b"\0\x0f\0\1"
BIG = b"\3big" + LAB + b"\0\x10\0\1"
NONE = b"\3nil" + LAB + b"\0\1\0\1"
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
SOA = b"\xc0\x10\0\6\0\1\0\0\0\5\0\x1d" + b"\2ns\xc0\x10" + b"\1h\xc0\x10"
SOA += b"\0\0\0\1" + b"\0\0\0\2" + b"\0\0\0\3" + b"\0\0\0\4" + b"\0\0\0\5"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
OURS = OPT
"""Our own: the same size, version 0, no flags, no options."""
DO = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"


def head(flags: int, questions: int = 1, answers: int = 0, authorities: int = 0, additionals: int = 0) -> bytes:
    words = (0xBEEF, flags, questions, answers, authorities, additionals)
    return b"".join([word.to_bytes(2, "big") for word in words])


ASKED = head(0) + WWW
ANSWERED = head(0x8400, 1, 1) + WWW + ADDRESS


def with_opt(payload: int, *, version: int = 0, options: bytes = b"") -> bytes:
    size = len(options).to_bytes(2, "big")
    opt = b"\0\0\x29" + payload.to_bytes(2, "big") + bytes((0, version, 0, 0)) + size + options
    return head(0, additionals=1) + BIG + opt


RULES: dict[str, tuple[bytes, bytes | None]] = {
    "RFC 1035 4.1.1: the id comes back, QR and AA are set": (ASKED, ANSWERED),
    "RFC 1035 4.1.1: RD is copied, RA is not set": (head(0x0100) + WWW, head(0x8500, 1, 1) + WWW + ADDRESS),
    "RFC 1035 4.1.1: AA, TC, RA and Z of a question mean nothing": (head(0x06C0) + WWW, ANSWERED),
    "RFC 1035 4.1.1: so do opcodes in what is an answer": (head(0x8000) + WWW, None),
    "RFC 1035 4.1.1: another opcode is NOTIMP": (head(0x1000) + WWW, head(0x9004, 0)),
    "RFC 1035 4.1.2: the question comes back as it was": (head(0) + LOUD, head(0x8400, 1, 1) + LOUD + ADDRESS),
    "RFC 1035 4.1.4: names are compressed, in the case of their zone": (
        head(0) + MX,
        head(0x8400, 1, 1, 0, 1)
        + MX
        + b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x08\0\x0a\3Www\xc0\x0e"
        + b"\xc0\x2a\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1",
    ),
    "RFC 1035 4.2.1: 512 bytes, and TC": (head(0) + BIG, head(0x8600) + BIG),
    "RFC 1035 3.7: a name that is not ours": (
        head(0) + b"\3www\4test\0\0\1\0\1",
        head(0x8005) + b"\3www\4test\0\0\1\0\1",
    ),
    "RFC 1035 3.2.4: another class": (head(0) + WWW[:-1] + b"\4", head(0x8005) + WWW[:-1] + b"\4"),
    "RFC 2308 2.1: the SOA with the TTL of negative answers": (head(0) + NONE, head(0x8403, 1, 0, 1) + NONE + SOA),
    "RFC 9619 4: no question": (head(0, 0), head(0x8001, 0)),
    "RFC 9619 4: two questions": (head(0, 2) + WWW + WWW, head(0x8001, 0)),
    "RFC 9619 4: one, it says, and none there": (head(0), head(0x8001, 0)),
    "RFC 6891 7: no OPT for those that send none": (ASKED, ANSWERED),
    "RFC 6891 6.1.1: an OPT for those that send one": (
        head(0, additionals=1) + WWW + OPT,
        head(0x8400, 1, 1, 0, 1) + WWW + ADDRESS + OURS,
    ),
    "RFC 6891 6.1.1: two of them": (head(0, additionals=2) + WWW + OPT + OPT, head(0x8001, 0)),
    "RFC 6891 6.1.2: its name is the root": (head(0, additionals=1) + WWW + b"\1a" + OPT, head(0x8001, 0)),
    "RFC 6891 6.1.2: an unknown option is ignored": (
        head(0, additionals=1) + WWW + OPT[:-1] + b"\6\xfd\xe9\0\2ab",
        head(0x8400, 1, 1, 0, 1) + WWW + ADDRESS + OURS,
    ),
    "RFC 6891 6.1.3: a version that is not ours is BADVERS": (
        head(0, additionals=1) + WWW + b"\0\0\x29\x04\xd0\0\1\0\0\0\0",
        head(0x8000, 1, 0, 0, 1) + WWW + b"\0\0\x29\x04\xd0\1\0\0\0\0\0",
    ),
    "RFC 6891 6.1.4: flags that are not DO are ignored": (
        head(0, additionals=1) + WWW + b"\0\0\x29\x04\xd0\0\0\x7f\xff\0\0",
        head(0x8400, 1, 1, 0, 1) + WWW + ADDRESS + OURS,
    ),
    "RFC 6891 6.2.3: a size below 512 is 512": (with_opt(100), head(0x8600, additionals=1) + BIG + OURS),
    "RFC 6891 6.2.3: a size of 0 too": (with_opt(0), head(0x8600, additionals=1) + BIG + OURS),
    "RFC 3225 3: DO is copied": (
        head(0, additionals=1) + WWW + DO,
        head(0x8400, 1, 1, 0, 1) + WWW + ADDRESS + DO,
    ),
    "RFC 6840 5.7: AD in a question without signatures to say anything of": (head(0x0020) + WWW, ANSWERED),
    "RFC 6895 2.1: Z in a question": (head(0x0040) + WWW, ANSWERED),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_reply_is_these_bytes(rule: str) -> None:
    message, reply = RULES[rule]
    catalog = Catalog()
    catalog.put(zone(ZONE))
    server = Responder(catalog)
    # Once worked out, and once from memory.
    for _ in range(2):
        assert answer(server, message) == reply


def test_a_reply_of_the_whole_size_that_the_client_takes() -> None:
    """RFC 6891 section 6.2.3: not a byte more, and none less."""
    catalog = Catalog()
    catalog.put(zone(ZONE))
    server = Responder(catalog)
    whole = answer(server, with_opt(1232))
    assert whole is not None
    assert answer(server, with_opt(len(whole))) == whole
    truncated = answer(server, with_opt(len(whole) - 1))
    assert truncated == head(0x8600, additionals=1) + BIG + OURS
