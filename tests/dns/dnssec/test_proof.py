"""What clients that set DO are told: signatures, and proofs of what is not there; the others are told neither."""

from __future__ import annotations

from base64 import b32encode

import dns.dnssec
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dns.asking import TCP, UDP
from tests.dns.dnssec.signed import NOW, make, seal
from tests.dns.dnssec.validator import check
from zonemint.core.errors import ConfigError
from zonemint.dns.answers.responder import Responder
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

KEY = SigningKey.generate(Algorithm.ECDSAP256SHA256)


def asked(
    catalog: Catalog | Responder, name: str, type_: str, *, do: bool = True, tcp: bool = False
) -> dns.message.Message:
    responder = catalog if isinstance(catalog, Responder) else Responder(catalog)
    query = dns.message.make_query(name, type_, use_edns=0, want_dnssec=do, payload=4096)
    reply = responder.respond(query.to_wire(), TCP if tcp else UDP)
    assert isinstance(reply, bytes)
    return dns.message.from_wire(reply)


def served(*zones: Zone) -> Catalog:
    catalog = Catalog()
    for zone in zones:
        catalog.put(zone)
    return catalog


QUESTIONS = [
    ("lab.test", "SOA", "NOERROR", []),
    ("lab.test", "DNSKEY", "NOERROR", []),
    ("lab.test", "MX", "NOERROR", []),
    ("lab.test", "ANY", "NOERROR", []),
    ("www.lab.test", "A", "NOERROR", []),
    ("lab.test", "TXT", "NOERROR", ["lab.test."]),
    ("mail.lab.test", "TXT", "NOERROR", ["mail.lab.test."]),
    ("b.c.lab.test", "A", "NOERROR", ["*.aliases.lab.test."]),
    ("nothing.lab.test", "A", "NXDOMAIN", ["lab.test.", "moved.lab.test."]),
    ("x.mail.lab.test", "A", "NXDOMAIN", ["mail.lab.test."]),
    ("0.lab.test", "A", "NXDOMAIN", ["lab.test."]),
    ("x.wild.lab.test", "TXT", "NOERROR", ["*.wild.lab.test."]),
    ("x.wild.lab.test", "A", "NOERROR", ["*.wild.lab.test."]),
    ("x.aliases.lab.test", "A", "NOERROR", ["*.aliases.lab.test."]),
    ("x.y.odd.lab.test", "A", "NOERROR", ["ns1.lab.test.", "x.*.odd.lab.test."]),
    ("y.odd.lab.test", "A", "NOERROR", ["ns1.lab.test.", "x.*.odd.lab.test."]),
    ("host.child.lab.test", "A", "NOERROR", []),
    ("host.insecure.lab.test", "A", "NOERROR", ["insecure.lab.test."]),
    ("insecure.lab.test", "DS", "NOERROR", ["insecure.lab.test."]),
    ("child.lab.test", "DS", "NOERROR", []),
    ("x.moved.lab.test", "A", "NOERROR", []),
    ("moved.lab.test", "A", "NOERROR", ["moved.lab.test."]),
    ("srv.lab.test", "SRV", "NOERROR", []),
    ("www.lab.test", "NSEC", "NOERROR", None),
    ("www.lab.test", "RRSIG", "NOERROR", []),
]


@pytest.mark.parametrize(("name", "type_", "rcode", "denials"), QUESTIONS)
def test_every_kind_of_answer_is_proved(name: str, type_: str, rcode: str, denials: list[str] | None) -> None:
    zone, key = make()
    catalog = served(zone)
    message = asked(catalog, name, type_)
    assert dns.rcode.to_text(message.rcode()) == rcode
    assert not message.flags & (dns.flags.AD | dns.flags.CD)
    if type_ != "RRSIG":
        check(message, "lab.test", key, NOW)
    if denials is not None:
        found = [one.name.to_text() for one in message.authority if one.rdtype == dns.rdatatype.NSEC]
        assert sorted(set(denials)) == sorted(found)
    plain = asked(catalog, name, type_, do=False)
    assert plain.rcode() == message.rcode()
    if type_ not in ("RRSIG", "NSEC"):
        others = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.DS} - {dns.rdatatype.from_text(type_)}
        assert not [one for section in plain.sections[1:] for one in section if one.rdtype in others]


def test_those_who_set_do_and_those_who_do_not_are_kept_apart() -> None:
    zone, key = make()
    responder = Responder(served(zone))
    for _ in range(3):
        for name in ("mail.lab.test", "nothing.lab.test", "nothinh.lab.test", "b.c.lab.test"):
            for tcp in (False, True):
                check(asked(responder, name, "A", tcp=tcp), "lab.test", key, NOW)
                plain = asked(responder, name, "A", do=False, tcp=tcp)
                assert not [one for one in plain.authority + plain.answer if one.rdtype == dns.rdatatype.RRSIG]


def test_a_change_is_seen_in_what_was_denied_before() -> None:
    zone, key = make()
    responder = Responder(served(zone))
    for name in ("new.lab.test", "news.lab.test", "mail.lab.test"):
        check(asked(responder, name, "TXT"), "lab.test", key, NOW)
    zone.put("new.lab.test", "TXT", 60, ['"now"'], serial=8)
    for name in ("new.lab.test", "news.lab.test", "mail.lab.test"):
        check(asked(responder, name, "TXT"), "lab.test", key, NOW)
    assert asked(responder, "new.lab.test", "TXT").answer


def test_addresses_beside_an_answer_are_signed_too() -> None:
    zone, _ = make()
    message = asked(served(zone), "lab.test", "MX")
    assert {(one.name.to_text().lower(), one.rdtype) for one in message.additional} == {
        ("mail.lab.test.", dns.rdatatype.A),
        ("mail.lab.test.", dns.rdatatype.RRSIG),
    }


def test_large_answers_go_over_tcp() -> None:
    zone, _ = make("$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\n" + "".join(f'@ TXT "{n:0200}"\n' for n in range(8)))
    catalog = served(zone)
    assert asked(catalog, "lab.test", "TXT").flags & dns.flags.TC
    assert len(asked(catalog, "lab.test", "TXT", tcp=True).answer) == 2


_LABELS = st.sampled_from(["a", "b", "*", "ab", "z", "\\000", "\\255"])
_NAMES = st.lists(_LABELS, min_size=1, max_size=4).map(".".join)
_RECORDS = st.sampled_from(
    ["A 192.0.2.1", "TXT x", "NS ns.other.test.", "CNAME a", "CNAME b.other.test.", "DNAME a.b", "MX 1 a"]
)


@given(st.dictionaries(_NAMES, _RECORDS, max_size=8), st.lists(_NAMES, min_size=1, max_size=6))
@example({"b": "DNAME a.b"}, ["a.b"])
@settings(max_examples=60, deadline=None)
def test_whatever_is_in_a_zone_its_answers_are_proved(records: dict[str, str], questions: list[str]) -> None:
    lines = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n" + "".join(f"{name} {data}\n" for name, data in records.items())
    try:
        zone = Zone.build("lab.test", zonefile.parse(lines, "lab.test", file="random"))
    except ConfigError:
        return
    seal(zone, KEY)
    catalog = served(zone)
    for name in [*questions, *records]:
        for type_ in ("A", "TXT", "DS"):
            check(asked(catalog, f"{name}.lab.test", type_, tcp=True), "lab.test", KEY, NOW)


NAMES = ["lab.test", *(f"n{n}.lab.test" for n in range(30))]


def hashed_chain(salt: str) -> str:
    """Return the NSEC3 records of NAMES, in which nothing of signatures is."""
    hashes = sorted(dns.dnssec.nsec3_hash(name, salt, 1, 1) for name in NAMES)
    return "".join(
        f"{one} NSEC3 1 0 1 {salt} {following} A\n"
        for one, following in zip(hashes, [*hashes[1:], hashes[0]], strict=True)
    )


@pytest.mark.parametrize("param", ["aabb", "ccdd", None])
def test_of_two_chains_the_one_of_nsec3param_is_asked(param: str | None) -> None:
    """A primary that changes its salt has both for a while (RFC 5155 section 7.3); without any, NSEC still holds."""
    text = "$TTL 300\n@ SOA ns1.other. h 7 3600 600 86400 60\n@ NS ns1.other.\n"
    text += "".join(f"{name}. A 192.0.2.1\n" for name in NAMES[1:]) + hashed_chain("aabb") + hashed_chain("ccdd")
    if param is None:
        text += "".join(f"{name}. NSEC lab.test. A\n" for name in NAMES)
    else:
        text += f"@ NSEC3PARAM 1 1 9 eeff\n@ NSEC3PARAM 1 0 1 {param}\n"
    catalog = served(Zone.build("lab.test", zonefile.parse(text, "lab.test", file="test")))
    for number in range(40):
        message = asked(catalog, f"x{number}.n1.lab.test", "A", tcp=True)
        assert message.rcode() == dns.rcode.NXDOMAIN
        denials = [one for one in message.authority if one.rdtype != dns.rdatatype.SOA]
        if param is None:
            assert {one.rdtype for one in denials} == {dns.rdatatype.NSEC}
            continue
        assert {one[0].salt.hex() for one in denials} == {param}
        owners = {str(one.name.labels[0], "ascii").upper(): b32(one[0].next) for one in denials}
        assert dns.dnssec.nsec3_hash("n1.lab.test", param, 1, 1) in owners
        for name in (f"x{number}.n1.lab.test", "*.n1.lab.test"):
            hash_ = dns.dnssec.nsec3_hash(name, param, 1, 1)
            assert any(
                first < hash_ < last if first < last else hash_ > first or hash_ < last
                for first, last in owners.items()
            )


def b32(digest: bytes) -> str:
    return (
        b32encode(digest)
        .decode()
        .translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHIJKLMNOPQRSTUV"))
    )
