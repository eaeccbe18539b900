"""Messages in, messages out: malformed ones, EDNS, sizes, letter case, and what is remembered."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dns.asking import answer, ask, lab_catalog, lines, question, rcodes, zone
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Asked, Found, Zone

QUESTION = b"\3www\3lab\4test\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


def query(flags: int = 0x0100, counts: bytes = b"\0\1\0\0\0\0\0\0", rest: bytes = QUESTION) -> bytes:
    return b"\x12\x34" + flags.to_bytes(2, "big") + counts + rest


ONE_MORE = b"\0\1\0\0\0\0\0\1"

REFUSALS = {
    "RFC 9619: no question": (query(counts=bytes(8), rest=b""), "FORMERR"),
    "RFC 9619: two questions": (query(counts=b"\0\2\0\0\0\0\0\0", rest=QUESTION * 2), "FORMERR"),
    "RFC 1035: the question ends early": (query(rest=QUESTION[:-1]), "FORMERR"),
    "RFC 1035: no name": (query(rest=b""), "FORMERR"),
    "RFC 1035: bytes behind the question": (query(rest=QUESTION + b"x"), "FORMERR"),
    "RFC 1035: a compressed question": (query(rest=b"\xc0\x0c\0\1\0\1"), "FORMERR"),
    "RFC 1035: a label of 64": (query(rest=b"\x40" + b"a" * 64 + b"\0\0\1\0\1"), "FORMERR"),
    "RFC 1035: a name of 256": (query(rest=(b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0\0\1\0\1"), "FORMERR"),
    "RFC 1035: a name of 255": (query(rest=(b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0\0\1\0\1"), "REFUSED"),
    "RFC 1035: a name of 257": (query(rest=(b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1"), "FORMERR"),
    "RFC 6891 6.1.1: two OPT": (query(counts=b"\0\1\0\0\0\0\0\2", rest=QUESTION + OPT * 2), "FORMERR"),
    "RFC 6891 6.1.2: OPT of a name": (query(counts=ONE_MORE, rest=QUESTION + b"\1a" + OPT), "FORMERR"),
    "RFC 6891 6.1.1: OPT among the answers": (query(counts=b"\0\1\0\1\0\0\0\0", rest=QUESTION + OPT), "FORMERR"),
    "RFC 6891 6.1.2: an option ends early": (
        query(counts=ONE_MORE, rest=QUESTION + OPT[:-1] + b"\5\0\3\0\2x"),
        "FORMERR",
    ),
    "RFC 6891: the OPT ends early": (query(counts=ONE_MORE, rest=QUESTION + OPT[:-1] + b"\5"), "FORMERR"),
    "RFC 6891: OPT is not a question": (query(rest=QUESTION[:-4] + b"\0\x29\0\1"), "FORMERR"),
    "RFC 1035: class CH": (query(rest=QUESTION[:-1] + b"\3"), "REFUSED"),
    "RFC 1035: class ANY": (query(rest=QUESTION[:-1] + b"\xff"), "REFUSED"),
    "RFC 5936: AXFR for strangers": (query(rest=QUESTION[:-4] + b"\0\xfc\0\1"), "REFUSED"),
    "RFC 1035: opcode STATUS": (query(0x1000), "NOTIMP"),
    "RFC 1996: NOTIFY": (query(0x2000), "NOTIMP"),
    "RFC 2136: UPDATE": (query(0x2800), "NOTIMP"),
}


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("rule", REFUSALS)
def test_refusals(rule: str, tcp: bool) -> None:
    message, rcode = REFUSALS[rule]
    server = Responder(lab_catalog())
    for well_formed in (query(), query(counts=ONE_MORE, rest=QUESTION + OPT)):
        answer(server, well_formed)
    reply = answer(server, message, tcp=tcp)
    assert reply is not None
    assert reply[:2] == message[:2]
    parsed = dns.message.from_wire(reply)
    assert dns.rcode.to_text(parsed.rcode()) == rcode
    assert parsed.flags & dns.flags.QR
    assert parsed.opcode() == dns.opcode.from_flags(int.from_bytes(message[2:4], "big"))
    assert not parsed.answer


@pytest.mark.parametrize("message", [b"", b"\x12", query()[:11], query(0x8000), query(0x8180), query(0xA800)])
def test_silence(message: bytes) -> None:
    """What has no id cannot be answered; answers to answers would never end."""
    assert answer(Responder(lab_catalog()), message) is None


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return lab_catalog({"one": ["value"], "bare": []}.get)


@pytest.fixture(scope="module")
def server(catalog: Catalog) -> Responder:
    return Responder(catalog)


@given(st.binary(max_size=600), st.booleans())
@example(query(), False)
def test_any_bytes(server: Responder, message: bytes, tcp: bool) -> None:
    check(answer(server, message, tcp=tcp), message)


@given(
    st.integers(0, 0x7FFF),
    st.binary(min_size=8, max_size=8),
    st.lists(
        st.sampled_from([b"\3www", b"\5alias", b"\4WILD", b"\3lab\4test\0", b"\xc0\x0c", b"\0", OPT, b"\0\1\0\1"])
    ),
)
def test_half_right_bytes(server: Responder, flags: int, counts: bytes, rest: list[bytes]) -> None:
    message = query(flags, counts, b"".join(rest))
    check(answer(server, message), message)
    message = query(flags, ONE_MORE if OPT in rest else b"\0\1\0\0\0\0\0\0", b"".join(rest))
    check(answer(server, message), message)


def check(reply: bytes | None, message: bytes) -> None:
    if len(message) < 12 or message[2] & 0x80:
        assert reply is None
        return
    assert reply is not None
    assert reply[:2] == message[:2]
    assert dns.message.from_wire(reply).flags & dns.flags.QR


@given(
    st.sampled_from(["www", "alias", "x.wild", "nothing", "host.child", "one.auth", "x.moved", "@"]),
    st.sampled_from(["A", "TXT", "HTTPS", "NS", "TYPE97", "ANY"]),
    st.randoms(),
    st.sampled_from([None, 0, 512, 900, 4096]),
    st.binary(max_size=16),
    st.booleans(),
    st.integers(0, 0xFFFF),
)
def test_what_is_remembered_is_what_would_be_said(
    catalog: Catalog,
    server: Responder,
    name: str,
    type_: str,
    random: object,
    payload: int | None,
    data: bytes,
    rd: bool,
    id_: int,
) -> None:
    """The warm server says to every spelling, option, size and flag what a new one says."""
    text = "lab.test." if name == "@" else f"{name}.lab.test."
    text = "".join(random.choice((c.upper(), c.lower())) for c in text)  # type: ignore[attr-defined]
    options = [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, data)] if data else []
    made = question(text, type_, payload=payload, options=options)
    made.id = id_
    made.flags = dns.flags.Flag(0x0100 if rd else 0)
    message = made.to_wire()
    reply = answer(server, message)
    assert reply is not None
    assert reply == answer(Responder(catalog), message)
    end = message.index(0, 12) + 5
    assert reply[12:end] == message[12:end]


def test_types_that_differ_in_case_only_are_two() -> None:
    """HTTPS is 65, `A`; folding letters must not make 97 of it."""
    server = Responder(lab_catalog())
    assert not ask(server, "svc.lab.test.", "TYPE97").answer
    assert ask(server, "svc.lab.test.", "HTTPS").answer
    assert not ask(server, "svc.lab.test.", "TYPE97").answer


def test_flags() -> None:
    """RD is copied, RA, AD and Z are not set (RFC 1035 section 4.1.1)."""
    server = Responder(lab_catalog())
    for flags, expected in ((0x0000, 0x8400), (0x0100, 0x8500), (0x0130, 0x8500), (0x0240, 0x8400), (0x0680, 0x8400)):
        for _ in range(2):
            reply = answer(server, query(flags))
            assert reply is not None
            assert int.from_bytes(reply[2:4], "big") == expected


def test_edns() -> None:
    """Our size, version 0, DO as it came, no option echoed (RFC 6891 section 6.1.1, RFC 3225 section 3)."""
    server = Responder(lab_catalog())
    assert ask(server, "www.lab.test.").edns == 0
    assert ask(server, "www.lab.test.").payload == 1232
    plain = answer(server, query())
    assert plain is not None
    assert dns.message.from_wire(plain).edns == -1
    nsid: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")]
    asked = dns.message.make_query("www.lab.test.", "A", want_dnssec=True, options=nsid)
    for _ in range(2):
        reply = answer(server, asked.to_wire())
        assert reply is not None
        parsed = dns.message.from_wire(reply)
        assert parsed.ednsflags & dns.flags.DO
        assert not parsed.options


def test_a_later_edns_version() -> None:
    """RFC 6891 section 6.1.3."""
    server = Responder(lab_catalog())
    reply = answer(server, query(counts=ONE_MORE, rest=QUESTION + b"\0\0\x29\x04\xd0\0\1\0\0\0\0"))
    assert reply is not None
    parsed = dns.message.from_wire(reply)
    assert parsed.rcode() == dns.rcode.BADVERS
    assert parsed.edns == 0
    assert not parsed.answer


def big_catalog(count: int) -> Catalog:
    text = "@ 60 SOA a b 1 1 1 1 1\n" + "".join([f"big 60 TXT {n:03}{'x' * 97}\n" for n in range(count)])
    text += "mx 60 MX 10 host\n" + "".join([f"host 60 A 192.0.2.{n}\n" for n in range(60)])
    text += "cut 60 NS ns.cut\n" + "".join([f"ns.cut 60 A 192.0.2.{n}\n" for n in range(60)])
    catalog = Catalog()
    catalog.put(zone(text))
    return catalog


@pytest.mark.parametrize(
    ("payload", "limit"), [(None, 512), (0, 512), (511, 512), (800, 800), (1232, 1232), (4096, 1232), (65535, 1232)]
)
@pytest.mark.parametrize("count", [3, 4, 6, 10, 30])
def test_udp_sizes(payload: int | None, limit: int, count: int) -> None:
    """Up to the client's size and 1232 (RFC 6891 section 6.2.5), with TC when that is too little (RFC 2181 9)."""
    server = Responder(big_catalog(count))
    asked = question("big.lab.test.", "TXT", payload=payload).to_wire()
    whole = answer(server, asked, tcp=True)
    assert whole is not None
    assert len(dns.message.from_wire(whole).answer[0]) == count
    reply = answer(server, asked)
    assert reply is not None
    if len(whole) <= limit:
        assert reply == whole
        return
    truncated = dns.message.from_wire(reply)
    assert truncated.flags & dns.flags.TC
    assert not truncated.answer
    assert truncated.edns == (-1 if payload is None else 0)


def test_additional_records_go_without_a_word_but_glue_does_not() -> None:
    """RFC 2181 section 9, RFC 9471 section 3."""
    server = Responder(big_catalog(1))
    for name, type_, truncated in (("mx.lab.test.", "MX", False), ("x.cut.lab.test.", "A", True)):
        reply = answer(server, question(name, type_).to_wire())
        assert reply is not None
        parsed = dns.message.from_wire(reply)
        assert bool(parsed.flags & dns.flags.TC) == truncated
        assert bool(parsed.answer) != truncated
        assert not parsed.additional


def test_a_referral_keeps_its_glue_and_drops_other_addresses() -> None:
    """RFC 9471: glue for servers below the cut, or TC (section 3.1); for others neither has to be (section 3.2)."""
    text = "@ 60 SOA a b 1 1 1 1 1\ncut 60 NS ns.cut\nns.cut 60 A 192.0.2.1\ncut 60 NS host\n"
    catalog = Catalog()
    catalog.put(zone(text + "".join([f"host 60 A 192.0.2.{n}\n" for n in range(60)])))
    server = Responder(catalog)
    reply = answer(server, question("x.cut.lab.test.", "A").to_wire())
    assert reply is not None
    parsed = dns.message.from_wire(reply)
    assert not parsed.flags & dns.flags.TC
    assert lines(parsed.additional) == ["ns.cut 60 A 192.0.2.1"]
    assert len(lines(ask(server, "x.cut.lab.test.", tcp=True).additional)) == 61


def test_negative_answers_of_one_length_are_each_right() -> None:
    """They share their bytes, so none of them may point into a name that the others do not have."""
    server = Responder(lab_catalog())
    for name in ("x.ns1", "x.abc", "a.mail", "x.wwww", "ns1.ns1", "lab.lab", "xxx.xxx"):
        reply = ask(server, f"{name}.lab.test.", "TXT")
        assert lines(reply.authority) == ["@ 60 SOA ns1 hostmaster 7 3600 600 86400 60"]
        assert reply.rcode() == dns.rcode.NXDOMAIN


def test_answers_longer_than_pointers_reach() -> None:
    """RFC 1035 section 4.1.4: a pointer has 14 bits; names further behind are written out."""
    text = "@ 60 SOA a b 1 1 1 1 1\n"
    text += "".join([f"cut 60 NS n{n:04}.cut\nn{n:04}.cut 60 A 10.0.{n >> 8}.{n & 255}\n" for n in range(1000)])
    catalog = Catalog()
    catalog.put(zone(text))
    reply = ask(catalog, "x.cut.lab.test.", tcp=True)
    assert len(reply.to_wire(max_size=65535)) > 0x4000
    assert lines(reply.additional) == [f"n{n:04}.cut 60 A 10.0.{n >> 8}.{n & 255}" for n in range(1000)]


def test_floods_do_not_grow_memory_nor_push_names_out() -> None:
    server = Responder(lab_catalog())
    ask(server, "www.lab.test.")
    kept = dict(server.lasting)
    for n in range(3000):
        answer(server, query(rest=b"\6%06d\3lab\4test\0\0\1\0\1" % n))
        for parent in (b"\4wild", b"\5cwild", b"\5moved", b"\5child"):
            answer(server, query(rest=b"\6%06d" % n + parent + b"\3lab\4test\0\0\1\0\1"))
        answer(server, query(rest=QUESTION[:-4] + (n + 1000).to_bytes(2, "big") + b"\0\1"))
    assert server.lasting == kept
    assert 0 < len(server.passing) <= 4096
    for n in range(17000):
        answer(server, query(counts=ONE_MORE, rest=QUESTION + b"\0\0\x29" + n.to_bytes(2, "big") + bytes(6)))
    assert 0 < len(server.lasting) <= 16384


class CountingZone(Zone):
    """A zone that knows how often it was looked into."""

    looks = 0

    def find(self, name: bytes, type_: int, asked: Asked | None = None) -> Found:
        self.looks += 1
        return super().find(name, type_, asked)


def test_the_zone_is_looked_into_once() -> None:
    """However the letters are cased, whatever the options are, until something changes."""
    counting = CountingZone.build("lab.test", zone().records())
    catalog = Catalog()
    catalog.put(counting)
    server = Responder(catalog)
    cookie = dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")
    for name in ("www.lab.test.", "WwW.lAb.test.", "x.wild.lab.test.", "X.wild.lab.TEST."):
        for options in ((), (cookie,), ()):
            answer(server, question(name, payload=1232, options=options).to_wire())
    assert counting.looks == 2
    counting.put("mail.lab.test", "A", 60, ["192.0.2.1"], serial=9)
    answer(server, question("www.lab.test.", payload=1232).to_wire())
    answer(server, question("x.wild.lab.test.", payload=1232).to_wire())
    assert counting.looks == 3
    counting.put("www.lab.test", "A", 60, ["192.0.2.1"], serial=10)
    answer(server, question("www.lab.test.", payload=1232).to_wire())
    assert counting.looks == 4


def test_counters() -> None:
    server = Responder(lab_catalog())
    for _ in range(3):
        answer(server, query())
    answer(server, query(rest=b""))
    answer(server, query(0x8000))
    answer(server, query(), tcp=True)
    assert rcodes(server) == {("udp", "NOERROR"): 3, ("udp", "FORMERR"): 1, ("tcp", "NOERROR"): 1}
