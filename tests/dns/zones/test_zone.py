"""Building and changing zones."""

from __future__ import annotations

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import LAB, ask, auth_zone, lab_catalog, lines, zone
from zonemint.core.errors import BadName, ConfigError
from zonemint.dns import codes, wire
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.records import Record, is_later
from zonemint.dns.zones.zone import Zone

SOA = Record("lab.test", 60, "SOA", "ns1.lab.test. host.lab.test. 5 1 1 1 30", 1)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no SOA"),
        ([SOA, Record("www.other.test", 60, "A", "192.0.2.1", 2)], "www.other.test is outside of the zone lab.test"),
        ([SOA, Record(r"a\.lab.test", 60, "A", "192.0.2.1", 2)], "is outside"),
        ([SOA, Record("xlab.test", 60, "A", "192.0.2.1", 2)], "xlab.test is outside"),
        ([SOA, Record("x.lab.test", 60, "SOA", SOA.data, 2)], "x.lab.test has a SOA"),
        ([SOA, Record("lab.test", 60, "SOA", SOA.data.replace("5", "6"), 2)], "lab.test has more than one SOA"),
        (
            [SOA, Record("a.lab.test", 60, "A", "192.0.2.1"), Record("a.lab.test", 60, "CNAME", "b.lab.test.", 2)],
            "a.lab.test has a CNAME record and other data: A",
        ),
        (
            [SOA, Record("a.lab.test", 60, "CNAME", "b.lab.test."), Record("a.lab.test", 60, "TXT", '"x"', 2)],
            "a.lab.test has a CNAME record and other data: TXT",
        ),
        (
            [SOA, Record("a.lab.test", 60, "CNAME", "b."), Record("a.lab.test", 60, "CNAME", "c.", 2)],
            "a.lab.test has more than one CNAME",
        ),
        ([SOA, Record("*.lab.test", 60, "NS", "ns1.lab.test.", 2)], "wildcard"),
        ([SOA, Record("*.lab.test", 60, "DNAME", "x.test.", 2)], "wildcard"),
        ([SOA, Record("a.lab.test", 60, "A", "not an address", 2)], "a.lab.test A: 'not an address' is not data"),
        ([SOA, Record("a.lab.test", 60, "NOTYPE", "x", 2)], "'NOTYPE' is not a record type"),
        ([SOA, Record("a.lab.test", 60, "ANY", "x", 2)], "ANY is not a type of data"),
        ([SOA, Record("x.lab.test", 60, "NSEC3", "1 0 501 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A", 2)], "501 iterations"),
        ([SOA, Record("a.lab.test", -1, "A", "192.0.2.1", 2)], "TTL"),
        ([SOA, Record("a.lab.test", 1 << 31, "A", "192.0.2.1", 2)], "TTL"),
    ],
)
def test_contradictions_name_the_record(records: list[Record], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Zone.build("lab.test", records)
    if records:
        assert caught.value.line == 2


@pytest.mark.parametrize("data", [b"", bytes((1, 0, 0, 0, 8)), bytes((1, 0, 0, 0, 0, 20))])
def test_a_proof_that_came_from_others_is_whole(data: bytes) -> None:
    """Each answer that says that something is not there is made of its fields."""
    filling = Filling("lab.test")
    filling.add(wire.name_from_text("x.lab.test"), codes.NSEC3, 60, data)
    with pytest.raises(ConfigError, match="NSEC3 record that ends early"):
        list(filling.check())


def test_a_bad_origin() -> None:
    with pytest.raises(BadName):
        Zone.build("a..b", [SOA])


def test_records_come_back() -> None:
    first = zone()
    again = Zone.build("lab.test", first.records())
    key = lambda record: (record.name, record.type, record.data)  # noqa: E731
    assert sorted(again.records(), key=key) == sorted(first.records(), key=key)
    parsed = [Record(r.name, r.ttl, r.type, r.data) for r in zonefile.parse(LAB, "lab.test", file="x")]
    assert sorted(parsed, key=key) == sorted(first.records(), key=key)


def test_one_ttl_for_a_record_set() -> None:
    """RFC 2181 section 5.2."""
    records = [SOA, Record("a.lab.test", 90, "A", "192.0.2.1"), Record("a.lab.test", 30, "A", "192.0.2.2")]
    assert {r.ttl for r in Zone.build("lab.test", records).records() if r.name == "a.lab.test"} == {30}


def test_doubles_are_one() -> None:
    """RFC 2181 section 5."""
    records = [SOA, *[Record("a.lab.test", 30, "A", "192.0.2.1")] * 2]
    assert len(list(Zone.build("lab.test", records).records())) == 2


def test_serials() -> None:
    lab = Zone.build("lab.test", [SOA])
    assert lab.serial == 5
    assert Zone.build("lab.test", [SOA], serial=77).serial == 77
    for given_, expected in ((6, 6), (6, 6), (3, 6), (0xFFFFFFFF, 6), (0x7FFFFFFF, 0x7FFFFFFF), (2, 0x7FFFFFFF)):
        lab.put("x.lab.test", "A", 60, ["192.0.2.1"], serial=given_)
        assert lab.serial == expected
    lab.put("x.lab.test", "A", 60, ["192.0.2.1"], serial=0xFFFFFFF0)
    lab.put("x.lab.test", "A", 60, ["192.0.2.1"], serial=1)
    assert lab.serial == 1
    assert lines(ask(catalog_of(lab), "lab.test.", "SOA").answer) == ["@ 60 SOA ns1 host 1 1 1 1 30"]


@given(st.integers(0, 0xFFFFFFFF), st.integers(1, 0x7FFFFFFF))
def test_serial_arithmetic(serial: int, step: int) -> None:
    """RFC 1982 section 3.2."""
    assert is_later((serial + step) & 0xFFFFFFFF, serial)
    assert not is_later(serial, (serial + step) & 0xFFFFFFFF)
    assert not is_later(serial, serial)


def catalog_of(*zones: Zone) -> Catalog:
    catalog = Catalog()
    for item in zones:
        catalog.put(item)
    return catalog


def test_a_put_is_seen_by_the_next_query() -> None:
    catalog = lab_catalog({"one": ["v"]}.get)
    lab, auth = catalog.zones()
    server = Responder(catalog)
    for _ in range(2):
        assert len(ask(server, "alias.lab.test.").answer) == 2
        assert ask(server, "new.lab.test.").rcode() == dns.rcode.NXDOMAIN
    lab.put("www.lab.test", "A", 5, ["192.0.2.99"], serial=8)
    assert lines(ask(server, "alias.lab.test.").answer) == ["alias 300 CNAME www", "www 5 A 192.0.2.99"]
    lab.put("new.lab.test", "A", 5, ["192.0.2.98"], serial=9)
    assert lines(ask(server, "new.lab.test.").answer) == ["new 5 A 192.0.2.98"]
    lab.put("new.lab.test", "A", 5, [], serial=10)
    negative = ask(server, "new.lab.test.")
    assert negative.rcode() == dns.rcode.NXDOMAIN
    assert " 10 3600" in lines(negative.authority)[0]
    assert auth.serial == 1


def test_a_replaced_or_removed_zone_is_seen_by_the_next_query() -> None:
    catalog = lab_catalog()
    server = Responder(catalog)
    assert len(ask(server, "www.lab.test.").answer) == 1
    catalog.put(Zone.build("lab.test", [SOA]))
    assert ask(server, "www.lab.test.").rcode() == dns.rcode.NXDOMAIN
    catalog.remove("lab.test")
    catalog.remove("lab.test")
    assert ask(server, "www.lab.test.").rcode() == dns.rcode.REFUSED
    assert catalog.get("lab.test") is None


def test_a_suspended_zone_is_ours_but_cannot_answer() -> None:
    catalog = lab_catalog()
    server = Responder(catalog)
    catalog.suspend("below.lab.test")
    assert ask(server, "www.below.lab.test.").rcode() == dns.rcode.SERVFAIL
    assert ask(server, "www.lab.test.").rcode() == dns.rcode.NOERROR
    assert catalog.get("below.lab.test") is None
    assert [one.origin for one in catalog.zones()] == ["lab.test"]
    catalog.put(Zone.build("below.lab.test", [Record("below.lab.test", 60, "SOA", SOA.data)]))
    assert ask(server, "www.below.lab.test.").rcode() == dns.rcode.NXDOMAIN


def test_txt_values_are_never_remembered() -> None:
    values: dict[str, list[str]] = {"one": ["first"]}
    server = Responder(lab_catalog(values.get))
    name = "_acme-challenge.server-1.lab.test."
    assert 'one.auth 1 TXT "first"' in lines(ask(server, name, "TXT").answer)
    values["one"] = ["second"]
    assert 'one.auth 1 TXT "second"' in lines(ask(server, name, "TXT").answer)
    del values["one"]
    assert ask(server, name, "TXT").rcode() == dns.rcode.NXDOMAIN
    values["one"] = []
    assert ask(server, name, "TXT").rcode() == dns.rcode.NOERROR
    assert not server.lasting
    assert not server.passing


def test_removal_takes_the_empty_names_along() -> None:
    lab = Zone.build("lab.test", [SOA])
    catalog = catalog_of(lab)
    before = set(lab.nodes)
    lab.put("a.b.c.lab.test", "A", 60, ["192.0.2.1"], serial=6)
    lab.put("x.c.lab.test", "A", 60, ["192.0.2.1"], serial=7)
    lab.put("a.b.c.lab.test", "A", 60, [], serial=8)
    assert ask(catalog, "b.c.lab.test.").rcode() == dns.rcode.NXDOMAIN
    assert ask(catalog, "c.lab.test.").rcode() == dns.rcode.NOERROR
    lab.put("x.c.lab.test", "A", 60, [], serial=9)
    lab.put("never.there.lab.test", "A", 60, [], serial=9)
    assert set(lab.nodes) == before


def test_a_delegation_comes_and_goes() -> None:
    lab = zone()
    catalog = catalog_of(lab)
    assert ask(catalog, "x.dept.lab.test.").rcode() == dns.rcode.NXDOMAIN
    lab.put("dept.lab.test", "NS", 60, ["ns.dept.lab.test."], serial=8)
    assert lines(ask(catalog, "x.dept.lab.test.").authority) == ["dept 60 NS ns.dept"]
    lab.put("dept.lab.test", "NS", 60, [], serial=9)
    assert ask(catalog, "x.dept.lab.test.").rcode() == dns.rcode.NXDOMAIN
    lab.put("dept.lab.test", "DNAME", 60, ["wild.lab.test."], serial=10)
    assert len(ask(catalog, "x.dept.lab.test.").answer) == 3
    lab.put("dept.lab.test", "DNAME", 60, [], serial=11)
    assert ask(catalog, "x.dept.lab.test.").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("name", "type_", "data"),
    [
        ("www.lab.test", "CNAME", ["x.lab.test."]),
        ("alias.lab.test", "A", ["192.0.2.1"]),
        ("www.lab.test", "A", ["192.0.2.1", "nonsense"]),
        ("other.test", "A", ["192.0.2.1"]),
        ("lab.test", "SOA", []),
        ("www.lab.test", "NOTYPE", ["x"]),
    ],
)
def test_a_refused_put_changes_nothing(name: str, type_: str, data: list[str]) -> None:
    lab = zone()
    before = list(lab.records())
    with pytest.raises(ConfigError):
        lab.put(name, type_, 60, data, serial=99)
    assert list(lab.records()) == before


def test_negative_ttls() -> None:
    """RFC 2308 section 5: the lower of the SOA's TTL and MINIMUM; of an auth zone never more than a minute."""
    assert zone().negative.ttl == 60
    assert zone("@ 40 SOA a b 1 1 1 1 60\n").negative.ttl == 40
    assert auth_zone(lambda label: None).negative.ttl == 60


def test_a_record_in_other_letter_case_is_the_same() -> None:
    """RFC 2181 section 5: a set has no record twice; RFC 4343: letter case makes no other name, but another text."""
    text = "@ 60 SOA a b 1 1 1 1 1\nx 60 NS Ns.a.test.\nx 60 NS ns.a.test.\ny 60 MX 1 M.test.\ny 60 MX 1 m.TEST.\n"
    made = zone(text + 'z 60 TXT "A"\nz 60 TXT "a"\n')
    assert {str(record.data) for record in made.records() if record.type != "SOA"} == {
        "Ns.a.test.",
        "1 M.test.",
        '"A"',
        '"a"',
    }
