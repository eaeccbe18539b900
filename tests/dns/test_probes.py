"""What is asked of every name server that anybody meets: RFC 8906 section 8 by dig, and odd messages as bytes.

The commands are those of the RFC, each over UDP and over TCP.
"""

from __future__ import annotations

import asyncio
import re
import struct

import dns.message
import dns.rcode
import pytest

from tests.dns.asking import TCP, UDP, lab_catalog, question
from tests.programs import require_program
from zonemint.dns import codes
from zonemint.dns.answers.chaos import Chaos
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Services
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Terms
from zonemint.dns.server import DnsServer

TERMS = Terms(cookies=Cookies(bytes(32)), nsid=b"ns1", keepalive=100)
SERVICES = Services(classes={codes.CH: Chaos()})

GOOD = ("status: NOERROR", "flags: qr aa;", "lab.test.*SOA.*ns1.lab.test")
BAD_VERSION = ("status: BADVERS", "flags: qr;", "EDNS: version: 0")
PROBES = [
    ("8.1.1", "+noedns +noad +norec SOA lab.test", GOOD, ("OPT",)),
    ("8.1.2", "+noedns +noad +norec TYPE1000 lab.test", ("status: NOERROR", "flags: qr aa;"), ("OPT", "TYPE1000\t")),
    ("8.1.3.1", "+noedns +noad +norec +cd SOA lab.test", GOOD, ()),
    ("8.1.3.2", "+noedns +norec +ad SOA lab.test", GOOD, ()),
    ("8.1.3.3", "+noedns +noad +norec +zflag SOA lab.test", GOOD, ("MBZ",)),
    ("8.1.4", "+noedns +noad +opcode=15 +norec +header-only", ("opcode: RESERVED15, status: NOTIMP",), ("SOA", " aa")),
    ("8.2.1", "+nocookie +edns=0 +noad +norec SOA lab.test", (*GOOD, "EDNS: version: 0, flags:;"), ()),
    ("8.2.2", "+nocookie +edns=1 +noednsneg +noad +norec SOA lab.test", BAD_VERSION, ("hostmaster",)),
    ("8.2.3", "+nocookie +edns=0 +noad +norec +ednsopt=100 SOA lab.test", (*GOOD, "EDNS: version: 0"), ("OPT=100",)),
    ("8.2.4", "+nocookie +edns=0 +noad +norec +ednsflags=0x40 SOA lab.test", (*GOOD, "version: 0, flags:;"), ("MBZ",)),
    (
        "8.2.5",
        "+nocookie +edns=1 +noednsneg +noad +norec +ednsflags=0x40 SOA lab.test",
        BAD_VERSION,
        ("MBZ", "hostmaster"),
    ),
    (
        "8.2.6",
        "+nocookie +edns=1 +noednsneg +noad +norec +ednsopt=100 SOA lab.test",
        BAD_VERSION,
        ("OPT=100", "hostmaster"),
    ),
    ("8.2.7", "+nocookie +edns=0 +noad +norec +dnssec SOA lab.test", (*GOOD, "version: 0, flags: do;"), ()),
    (
        "8.2.8",
        "+nocookie +edns=1 +noednsneg +noad +norec +dnssec SOA lab.test",
        (*BAD_VERSION, "version: 0, flags: do;"),
        ("hostmaster",),
    ),
    (
        "8.2.9",
        "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0 SOA lab.test",
        (*GOOD, "EDNS: version: 0", r"COOKIE: [0-9a-f]{48} \(good\)", 'NSID: 6e 73 31 \\("ns1"\\)'),
        ("CLIENT-SUBNET",),
    ),
]


@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
async def test_rfc_8906(way: str) -> None:
    dig = require_program("dig")
    server = DnsServer(Views(Responder(lab_catalog(), SERVICES, TERMS)))
    await server.start(["127.0.0.1"], 0)
    try:
        for section, words, wanted, unwanted in PROBES:
            ask = (
                f"-p{server.port}",
                "+tries=1",
                "+time=5",
                "+nocmd",
                "+noquestion",
                way,
                *words.split(),
                "@127.0.0.1",
            )
            child = await asyncio.create_subprocess_exec(dig, *ask, stdout=asyncio.subprocess.PIPE)
            output = (await child.communicate())[0].decode()
            # Its own question, and what it says of itself, are not the answer.
            answer = re.sub(r"^;; (?:QUESTION|SERVER|WHEN|Query time).*$", "", output, flags=re.MULTILINE)
            for one in wanted:
                assert re.search(one, answer), f"{section}: no {one}\n{output}"
            for one in unwanted:
                assert one not in answer, f"{section}: {one}\n{output}"
    finally:
        await server.close()


def responder() -> Responder:
    return Responder(lab_catalog(), SERVICES, TERMS)


def replied(message: bytes, client: Client = UDP) -> bytes | None:
    reply = responder().respond(message, client)
    assert isinstance(reply, bytes | None)
    return reply


WWW = question("www.lab.test.").to_wire()
HEAD = struct.Struct("!6H")
OPT = b"\0\0\x29\4\xd0\0\0\0\0\0\0"
SOA = question("lab.test.", "SOA").to_wire()


def message(*, flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0), body: bytes = WWW[12:]) -> bytes:
    return HEAD.pack(7, flags, *counts) + body


SILENT = {
    "nothing": b"",
    "half a header": WWW[:11],
    "an answer": message(flags=0x8000),
    "an answer without question": message(flags=0x8000, counts=(0, 0, 0, 0), body=b""),
    "an answer of an unknown opcode": message(flags=0xF800),
}
ERRORS = {
    "no question (RFC 9619)": (message(counts=(0, 0, 0, 0), body=b""), codes.FORMERR),
    "two questions (RFC 9619)": (message(counts=(2, 0, 0, 0), body=WWW[12:] * 2), codes.FORMERR),
    "a question that is not there": (message(body=b""), codes.FORMERR),
    "a name that ends early": (message(body=WWW[12:16]), codes.FORMERR),
    "a compressed name": (message(body=b"\xc0\x0c\0\1\0\1"), codes.FORMERR),
    "a name of 256 bytes": (
        message(body=b"\x3f" + b"x" * 63 + (b"\x3f" + b"x" * 63) * 3 + b"\0\0\1\0\1"),
        codes.FORMERR,
    ),
    "bytes behind the question": (message(body=WWW[12:] + b"\0"), codes.FORMERR),
    "records that are not there": (message(counts=(1, 0, 0, 65535)), codes.FORMERR),
    "two OPT records": (message(counts=(1, 0, 0, 2), body=WWW[12:] + OPT * 2), codes.FORMERR),
    "an OPT record as an answer": (message(counts=(1, 1, 0, 0), body=WWW[12:] + OPT), codes.FORMERR),
    "an OPT record of a name": (message(counts=(1, 0, 0, 1), body=WWW[12:] + b"\1x" + OPT), codes.FORMERR),
    "an option that ends early": (
        message(counts=(1, 0, 0, 1), body=WWW[12:] + OPT[:-1] + b"\4\0\x0a\0\x08"),
        codes.FORMERR,
    ),
    "a question for OPT": (question("lab.test.", "OPT").to_wire(), codes.FORMERR),
    "another class": (message(body=SOA[12:-2] + b"\0\4"), codes.REFUSED),
    "class ANY": (message(body=SOA[12:-2] + b"\0\xff"), codes.REFUSED),
    "class NONE": (message(body=SOA[12:-2] + b"\0\xfe"), codes.REFUSED),
    "version.bind": (message(body=b"\7version\4bind\0\0\x10\0\3"), codes.REFUSED),
    "a transfer that nobody offers": (message(body=SOA[12:-4] + b"\0\xfc\0\1"), codes.REFUSED),
    "TKEY": (message(body=SOA[12:-4] + b"\0\xf9\0\1"), codes.REFUSED),
    "MAILB": (message(body=SOA[12:-4] + b"\0\xfd\0\1"), codes.REFUSED),
    "type 0": (message(body=SOA[12:-4] + b"\0\0\0\1"), codes.NOERROR),
    "type 65535": (message(body=SOA[12:-4] + b"\xff\xff\0\1"), codes.NOERROR),
    "the root": (message(body=b"\0\0\2\0\1"), codes.REFUSED),
    "TC, Z, AD and CD": (message(flags=0x0270), codes.NOERROR),
    "AA and RA and an rcode": (message(flags=0x048F), codes.NOERROR),
    **{f"opcode {one}": (message(flags=one << 11), codes.NOTIMP) for one in range(1, 16)},
    **{
        f"opcode {one}, a header alone": (message(flags=one << 11, counts=(0,) * 4, body=b""), codes.NOTIMP)
        for one in (1, 15)
    },
}


@pytest.mark.parametrize("client", [UDP, TCP], ids=["udp", "tcp"])
@pytest.mark.parametrize("name", SILENT)
def test_some_are_not_answered(name: str, client: Client) -> None:
    assert replied(SILENT[name], client) is None


@pytest.mark.parametrize("client", [UDP, TCP], ids=["udp", "tcp"])
@pytest.mark.parametrize("name", ERRORS)
def test_every_question_has_an_answer(name: str, client: Client) -> None:
    asked, rcode = ERRORS[name]
    reply = replied(asked, client)
    assert reply is not None
    ident, flags, *counts = HEAD.unpack_from(reply)
    assert ident == HEAD.unpack_from(asked)[0]
    assert flags & 15 == rcode
    assert flags & 0x8000
    assert flags & 0x7800 == HEAD.unpack_from(asked)[1] & 0x7800
    # RD comes back, and nothing else that the client has set; AA is said of our zones alone.
    assert flags & 0x0270 == 0
    assert (flags & 0x0400 != 0) == (rcode == codes.NOERROR)
    if rcode in (codes.FORMERR, codes.NOTIMP):
        assert len(reply) == 12
        assert not any(counts)
    else:
        dns.message.from_wire(reply)


@pytest.mark.parametrize("client", [UDP, TCP], ids=["udp", "tcp"])
def test_a_cookie_may_be_asked_for_alone(client: Client) -> None:
    """RFC 7873 section 5.4: the one message without a question that has an answer."""
    asked = message(flags=0x0100, counts=(0, 0, 0, 1), body=OPT[:-2] + b"\0\x0c\0\x0a\0\x08" + b"8 bytes!")
    reply = replied(asked, client)
    assert reply is not None
    assert reply[:12] == HEAD.pack(7, 0x8100, 0, 0, 0, 1)
    said = dns.message.from_wire(reply)
    assert [one.to_wire()[:8] for one in said.options] == [b"8 bytes!"]
    for other in (
        asked + b"\0",
        asked[:-1],
        asked[:20],
        message(counts=(0, 0, 0, 1), body=OPT),
        message(counts=(0, 0, 0, 1), body=OPT[:-2] + b"\0\x0b\0\x0a\0\x07" + b"7 bytes"),
        message(counts=(0, 0, 0, 2), body=OPT + OPT),
        asked[:2] + b"\x28" + asked[3:],
    ):
        assert replied(other, client) in (
            HEAD.pack(7, 0x8000 | other[2] << 8 & 0x7900 | codes.FORMERR, 0, 0, 0, 0),
            HEAD.pack(7, 0x8000 | other[2] << 8 & 0x7900 | codes.NOTIMP, 0, 0, 0, 0),
        )
    without = Responder(lab_catalog()).respond(asked, client)
    assert isinstance(without, bytes)
    assert without[3] & 15 == codes.FORMERR


@pytest.mark.parametrize("client", [UDP, TCP], ids=["udp", "tcp"])
def test_no_answer_of_ours_is_answered(client: Client) -> None:
    """Two servers that got each other's answers would never stop."""
    server = responder()
    asked = [one for one, _ in ERRORS.values()] + [WWW, SOA, question("nothing.lab.test.", payload=1232).to_wire()]
    for one in asked:
        reply = server.respond(one, client)
        assert isinstance(reply, bytes)
        assert server.respond(reply, client) is None


@pytest.mark.parametrize("port", [0, 7, 13, 17, 19, 37, 464, 1023])
def test_what_answers_everything_is_told_of_no_error(port: int) -> None:
    client = Client(UDP.address, port, Transport.UDP)
    text = b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"
    assert replied(text, client) is None
    assert replied(message(flags=0x7800), client) is None
    assert replied(WWW, client) is not None
    assert replied(text, Client(UDP.address, 53, Transport.UDP)) is not None
    assert replied(text, Client(UDP.address, port, Transport.TCP)) is not None


def test_errors_end_by_number_too() -> None:
    server = Responder(lab_catalog(), terms=Terms(errors=RateLimit(10, slip=0, burst=1, clock=lambda: 10**9)))
    rubbish = message(flags=0x7800)
    assert [server.respond(rubbish, UDP) is None for _ in range(30)].count(False) == 10
    assert [server.respond(rubbish, TCP) is None for _ in range(30)].count(False) == 30
    assert server.respond(WWW, UDP) is not None


def test_a_mistake_of_ours_costs_one_answer(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(asked: bytes, client: Client) -> bytes:
        raise RuntimeError("a mistake")

    server = Responder(lab_catalog(), Services(opcodes={5: broken}))
    for client in (UDP, TCP):
        for _ in range(20):
            reply = server.respond(message(flags=5 << 11), client)
            assert isinstance(reply, bytes)
            assert reply[3] & 15 == dns.rcode.SERVFAIL
    assert capsys.readouterr().out.count("a mistake of ours") < 10


async def test_a_mistake_of_ours_in_an_answer_that_waits_costs_that_one() -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def broken() -> bytes:
        raise RuntimeError("a mistake")

    sent: asyncio.Queue[object] = asyncio.Queue()
    Later(ready, broken).then(sent.put_nowait)
    ready.set_result(None)
    assert await sent.get() is None
