"""What is taken from another server's answer, for how long, and what is left out."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.forward.servers import LIMITS, made, question
from zonemint.core.errors import ForeignDataError
from zonemint.dns import wire
from zonemint.dns.answers.foreign import Foreign, Question, records
from zonemint.dns.forward.messages import extended_errors, write
from zonemint.dns.forward.replies import Limits, Read, read, ttl_offsets
from zonemint.dns.zones.records import Owned

SOA = "example. 900 SOA ns.example. h.example. 1 2 3 4 600"
PROOF = "example. 900 RRSIG SOA 13 1 900 20300101000000 20200101000000 1 example. AAAA"


def said(
    *answer: str,
    name: str = "www.example",
    type_: str = "A",
    dnssec_ok: bool = False,
    trusted: bool = False,
    limits: Limits = LIMITS,
    rcode: int = 0,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    flags: int = 0,
) -> Read:
    asked = question(name, type_, dnssec_ok=dnssec_ok)
    (reply,) = made(*answer, rcode=rcode, authority=authority, additional=additional, flags=flags)(
        write(asked, edns=True, mixed_case=True).message
    )
    return read(asked, reply, limits, trusted=trusted)


def shown(section: list[Owned]) -> list[str]:
    return [f"{wire.name_to_text(owner)} {rrset.ttl} {rrset.type} {len(rrset.data)}" for owner, rrset in section]


def sections(found: Read, name: str = "www.example") -> tuple[list[str], list[str]]:
    answer, authority = records(wire.name_from_text(name), found.foreign)
    return shown(answer), shown(authority)


def test_an_answer() -> None:
    found = said("@ 60 A 192.0.2.1", "@ 50 A 192.0.2.2")
    assert sections(found) == (["www.example 50 1 2"], [])
    assert (found.ttl, found.conclusive, found.foreign.targets, found.foreign.open) == (50, True, (), False)


def test_only_what_belongs_to_the_question_is_taken() -> None:
    """RFC 5452 section 6: neither other names, nor other types, nor what stands beside."""
    found = said(
        "@ 60 A 192.0.2.1",
        "bank.example. 86400 A 203.0.113.66",
        "@ 60 TXT poison",
        "example. 60 A 203.0.113.66",
        authority=("bank.example. 86400 NS ns.evil.example.", "bank.example. 60 A 203.0.113.66"),
        additional=("bank.example. 86400 A 203.0.113.66",),
    )
    assert sections(found) == (["www.example 60 1 1"], [])


def test_a_chain_is_taken_as_far_as_it_goes() -> None:
    found = said(
        "b.example. 30 A 192.0.2.1",
        "a.example. 40 CNAME b.example.",
        "@ 60 CNAME A.Example.",
        "c.example. 9 A 192.0.2.9",
    )
    assert sections(found)[0] == ["www.example 60 5 1", "a.example 40 5 1", "b.example 30 1 1"]
    assert found.ttl == 30
    assert found.foreign.targets == (b"\1a\7example\0", b"\1b\7example\0")
    assert not found.foreign.open


def test_a_chain_that_ends_nowhere_is_open() -> None:
    assert said("@ 60 CNAME far.other.").foreign.open
    assert not said("@ 60 CNAME a.example.", authority=(SOA,)).foreign.open
    assert not said("@ 60 CNAME a.example.", authority=(SOA,), rcode=3).foreign.open
    assert not said("@ 60 CNAME a.example.", type_="CNAME").foreign.open
    assert said("@ 60 CNAME a.example.", authority=("other. 60 SOA a. b. 1 2 3 4 5",)).foreign.open


def test_what_others_are_asked_for_is_left_to_them() -> None:
    """Whatever this server says of it: that there is no such name, or an address."""
    asked = question("www.example")
    chain = ("@ 60 CNAME a.corp.", "a.corp. 60 A 203.0.113.66")
    for records_, rcode in ((chain, 0), (chain[:1], 3)):
        authority = [". 900 SOA a. b. 1 2 3 4 600"] if rcode else []
        (reply,) = made(*records_, rcode=rcode, authority=authority)(write(asked, edns=True, mixed_case=True).message)
        found = read(asked, reply, LIMITS, trusted=False, is_elsewhere=lambda name: name.endswith(b"\4corp\0"))
        assert sections(found) == (["www.example 60 5 1"], [])
        assert (found.foreign.rcode, found.foreign.open, found.ttl) == (0, True, 60)


def test_a_redirection() -> None:
    found = said(
        "example. 60 DNAME other.", "@ 60 CNAME www.other.", "www.other. 60 A 192.0.2.1", "ample. 9 DNAME evil."
    )
    assert sections(found)[0] == ["example 60 39 1", "www.example 60 5 1", "www.other 60 1 1"]


@pytest.mark.parametrize("loop", [["@ 60 CNAME @"], ["@ 60 CNAME a.example.", "a.example. 60 CNAME www.example."]])
def test_a_loop_is_no_answer(loop: list[str]) -> None:
    with pytest.raises(ForeignDataError):
        said(*[line.replace("CNAME @", "CNAME www.example.") for line in loop])


def test_nothing_is_remembered_as_long_as_its_zone_says() -> None:
    """RFC 2308 section 5: the smaller of the SOA's TTL and its MINIMUM."""
    for rcode in (0, 3):
        found = said(rcode=rcode, authority=(SOA,))
        assert found.ttl == 600
        assert sections(found) == ([], ["example 600 6 1"])
    assert said(authority=(SOA.replace("900", "100"),)).ttl == 100
    assert said(rcode=3, authority=(SOA,), limits=Limits(86400, 30)).ttl == 30
    assert said(rcode=3).ttl == 0
    assert said("@ 60 CNAME a.example.", rcode=3, authority=(SOA,)).ttl == 60
    assert said(rcode=3, authority=("other. 900 SOA a. b. 1 2 3 4 600",)).ttl == 0


def test_ttls_are_bounded() -> None:
    assert said("@ 604800 A 192.0.2.1").ttl == 86400
    assert said("@ 0 A 192.0.2.1").ttl == 0
    found = said("@ 2147483647 A 192.0.2.1", limits=Limits(100, 10))
    assert sections(found)[0] == ["www.example 100 1 1"]


def test_signatures_are_for_those_who_want_them() -> None:
    signed = ("@ 60 A 192.0.2.1", "@ 60 RRSIG A 13 2 60 20300101000000 20200101000000 1 example. AAAA")
    proof = ("a.example. 60 NSEC c.example. A", PROOF, SOA)
    found = said(*signed, dnssec_ok=True, authority=proof)
    assert sections(found) == (
        ["www.example 60 1 1", "www.example 60 46 1"],
        ["a.example 60 47 1", "example 900 46 1", "example 900 6 1"],
    )
    assert sections(said(rcode=3, authority=proof)) == ([], ["example 600 6 1"])
    assert sections(said(*signed)) == (["www.example 60 1 1"], [])


def test_ad_is_believed_on_a_private_path_only() -> None:
    assert said("@ 60 A 192.0.2.1", flags=dns.flags.AD, trusted=True).foreign.authentic
    assert not said("@ 60 A 192.0.2.1", flags=dns.flags.AD).foreign.authentic
    assert not said("@ 60 A 192.0.2.1", trusted=True).foreign.authentic


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 9])
def test_failures_are_not_the_last_word(rcode: int) -> None:
    found = said(rcode=rcode)
    assert not found.conclusive
    assert found.foreign.rcode == rcode


def test_what_a_validator_does_not_believe_is_asked_of_nobody_else() -> None:
    """A second server that does not validate must not make it an answer."""
    asked = question("www.example")
    for code, conclusive in ((6, True), (9, True), (22, False), (0, False)):
        reply = dns.message.make_response(dns.message.from_wire(write(asked, edns=True, mixed_case=False).message))
        reply.set_rcode(dns.rcode.SERVFAIL)
        reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode(code), "why")])
        found = read(asked, reply.to_wire(), LIMITS, trusted=False)
        assert found.conclusive is conclusive
        assert found.foreign.error == b"\0\x0f\0\5\0" + bytes((code,)) + b"why"


def test_a_referral_is_no_answer() -> None:
    with pytest.raises(ForeignDataError, match="no resolver"):
        said(authority=("example. 60 NS ns.example.",), additional=("ns.example. 60 A 192.0.2.1",))


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.1", "127.0.0.1", "169.254.1.1", "0.0.0.0", "100.64.0.1"])
def test_private_addresses(address: str) -> None:
    strict = LIMITS._replace(allow_private=False)
    assert said(f"@ 60 A {address}").foreign.counts == (1, 0)
    found = said(f"@ 60 A {address}", limits=strict)
    assert (found.foreign.rcode, found.foreign.counts, found.conclusive) == (0, (0, 0), True)
    assert b"\0\x11" in found.foreign.error
    assert said(f"@ 60 AAAA ::ffff:{address}", type_="AAAA", limits=strict).foreign.counts == (0, 0)
    assert said("@ 60 A 8.8.8.8", limits=strict).foreign.counts == (1, 0)


DATA = {
    "MX": "10 mail.www.example.",
    "SRV": "1 2 3 www.example.",
    "NAPTR": '1 2 "u" "E2U+sip" "!^.*$!sip:a@b!" www.example.',
    "SOA": "ns.www.example. h.www.example. 1 2 3 4 5",
    "PTR": "a.www.example.",
    "RP": "a.www.example. b.example.",
    "AFSDB": "1 a.www.example.",
    "HTTPS": "1 www.example. alpn=h2",
    "TXT": '"a" "b"',
    "CAA": '0 issue "ca.example"',
}


@pytest.mark.parametrize("type_", list(DATA))
def test_compressed_names_in_data_are_written_out(type_: str) -> None:
    found = said(f"@ 60 {type_} {DATA[type_]}", type_=type_)
    (owned,), _ = records(wire.name_from_text("www.example"), found.foreign)
    expected = dns.rrset.from_text("www.example.", 60, "IN", type_, DATA[type_])[0].to_wire()
    assert owned[1].data == (expected,)
    # Our own random letters do not come back in them.
    assert found.foreign.tail == said(f"@ 60 {type_} {DATA[type_]}", type_=type_).foreign.tail


def test_the_ttls_are_found() -> None:
    found = said(
        "@ 60 CNAME a.example.", "a.example. 30 MX 10 b.example.", "a.example. 30 MX 20 b.example.", type_="MX"
    )
    offsets = ttl_offsets(wire.name_from_text("www.example"), found.foreign)
    assert [ttl for _, ttl in offsets] == [60, 30, 30]
    for at, ttl in offsets:
        assert int.from_bytes(found.foreign.tail[at : at + 4], "big") == ttl


NAMES = st.sampled_from([b"\3www\7example\0", b"\xc0\x0c", b"\xc0\x10", b"\1a\xc0\x10", b"\0", b"\xff", b"\xc0\xff"])


def record(name: bytes, type_: int, ttl: int, data: bytes, cut: int) -> bytes:
    head = type_.to_bytes(2, "big") + b"\0\1" + ttl.to_bytes(4, "big") + len(data).to_bytes(2, "big")
    return (name + head + data)[:cut]


RECORD = st.builds(
    record,
    NAMES,
    st.sampled_from([1, 2, 5, 6, 15, 33, 35, 39, 41, 46, 47, 99]),
    st.integers(0, 0xFFFFFFFF),
    st.one_of(NAMES, st.binary(max_size=24)),
    st.one_of(st.just(999), st.integers(0, 40)),
)


@given(st.lists(RECORD, max_size=6), st.binary(min_size=6, max_size=6), st.integers(0, 255), st.binary(max_size=4))
def test_whatever_comes_is_read_or_refused(found: list[bytes], counts: bytes, low: int, junk: bytes) -> None:
    """And what was read can be written and read again."""
    asked = Question(b"\3www\7example\0", 1, True)
    small = bytes([byte & 3 if at % 2 else 0 for at, byte in enumerate(counts)])
    reply = b"ab\x81" + bytes((low,)) + b"\0\1" + small + b"\3wWw\7exaMple\0\0\1\0\1" + b"".join(found) + junk
    try:
        extended_errors(reply)
        got = read(asked, reply, LIMITS, trusted=True)
    except ForeignDataError:
        return
    answer, authority = records(asked.name, got.foreign)
    assert (sum(len(one.data) for _, one in answer), sum(len(one.data) for _, one in authority)) == got.foreign.counts
    ttls = [ttl for _, ttl in ttl_offsets(asked.name, got.foreign)]
    assert all(got.ttl <= ttl <= 86400 for ttl in ttls)
    assert isinstance(got.foreign, Foreign)
