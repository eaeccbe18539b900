"""A change is a value: what it says, that it is whole or not at all, and that it can be made again elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import zone
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Changes, Delta
from zonemint.dns.zones.records import RRset
from zonemint.dns.zones.zone import Zone

SOA = "@ 60 SOA ns1 host 1 1 1 1 30\n"
NAMES = ("lab.test", "a.lab.test", "b.a.lab.test", "c.b.a.lab.test", "*.a.lab.test", "d.lab.test")
TYPES = {
    codes.A: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    codes.NS: ["one.test.", "two.test."],
    codes.DNAME: ["elsewhere.test."],
    codes.CNAME: ["a.test.", "b.test."],
    codes.TXT: ['"x"'],
}


def rrset(type_: int, *texts: str, ttl: int = 60) -> RRset:
    return RRset(type_, ttl, tuple(rdata.from_text(type_, text) for text in texts))


def key(name: str, type_: int) -> tuple[bytes, int]:
    return wire.name_from_text(name), type_


@st.composite
def changes(draw: st.DrawFn) -> Changes:
    some: dict[tuple[bytes, int], RRset | None] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4)):
        type_ = draw(st.sampled_from(sorted(TYPES)))
        texts = draw(st.lists(st.sampled_from(TYPES[type_]), unique=True))
        some[key(name, type_)] = rrset(type_, *texts, ttl=draw(st.sampled_from([60, 90]))) if texts else None
    return some


def inside(one: Zone) -> tuple[object, ...]:
    """Everything that a zone's answers are made from."""
    nodes = {name: {each.type: (each.ttl, set(each.data)) for each in node} for name, node in one.nodes.items()}
    return nodes, one._children, one._cuts, one._redirections, one.negative


@given(st.lists(changes(), max_size=6))
def test_a_changed_zone_is_the_one_that_is_built_of_its_records(steps: list[Changes]) -> None:
    one, other = zone(SOA), zone(SOA)
    for serial, some in enumerate(steps, 2):
        before = inside(one)
        try:
            delta = one.apply(some, serial)
        except ConfigError:
            assert inside(one) == before
            continue
        assert (delta.new_serial, one.serial) == (serial, serial)
        other.follow(delta)
        assert inside(other) == inside(one) == inside(Zone.build("lab.test", one.records()))


def test_a_delta_says_what_went_and_what_came() -> None:
    one = zone(SOA + "a 60 A 192.0.2.1\na 60 A 192.0.2.2\nb 60 A 192.0.2.3\nc 60 TXT x\n")
    told: list[Delta] = []
    one.watch(told.append)
    delta = one.apply(
        {
            key("a.lab.test", codes.A): rrset(codes.A, "192.0.2.2", "192.0.2.4"),
            key("b.lab.test", codes.A): None,
            key("c.lab.test", codes.TXT): rrset(codes.TXT, '"x"', ttl=90),
            key("d.lab.test", codes.A): None,
        },
        7,
    )
    a, b, c = map(wire.name_from_text, ("a.lab.test", "b.lab.test", "c.lab.test"))
    assert delta.removed == (
        (a, rrset(codes.A, "192.0.2.1")),
        (b, rrset(codes.A, "192.0.2.3")),
        (c, rrset(codes.TXT, '"x"')),
    )
    assert delta.added == ((a, rrset(codes.A, "192.0.2.4")), (c, rrset(codes.TXT, '"x"', ttl=90)))
    assert (delta.old_serial, delta.new_serial, delta.after) == (1, 7, one.soa)
    assert delta.touched == {(a, codes.A), (b, codes.A), (c, codes.TXT)}
    assert told == [delta]


@pytest.mark.parametrize(
    "wrong",
    [
        {key("a.lab.test", codes.CNAME): rrset(codes.CNAME, "b.test.")},
        {key("lab.test", codes.SOA): None},
        {key("a.other.test", codes.A): rrset(codes.A, "192.0.2.9")},
        {key("*.lab.test", codes.NS): rrset(codes.NS, "b.test.")},
        {key("b.lab.test", codes.CNAME): rrset(codes.CNAME, "b.test.", "c.test.")},
        {key("a.lab.test", codes.A): rrset(codes.A, "192.0.2.9", ttl=2**31)},
    ],
)
def test_what_cannot_be_served_changes_nothing(wrong: Changes) -> None:
    one = zone(SOA + "a 60 A 192.0.2.1\n")
    told: list[Delta] = []
    one.watch(told.append)
    before = inside(one)
    with pytest.raises(ConfigError):
        one.apply({key("new.lab.test", codes.A): rrset(codes.A, "192.0.2.9"), **wrong}, 7)
    assert inside(one) == before
    assert not told


def test_a_record_that_takes_an_aliass_place_in_one_change_is_no_contradiction() -> None:
    one = zone(SOA + "a 60 CNAME b\n")
    some: Changes = {key("a.lab.test", codes.A): rrset(codes.A, "192.0.2.9"), key("a.lab.test", codes.CNAME): None}
    assert len(one.apply(some, 7).touched) == 2


def test_a_change_of_another_zone_or_serial_is_not_followed() -> None:
    one, other = zone(SOA), zone(SOA)
    delta = one.put("a.lab.test", "A", 60, ["192.0.2.1"], serial=2)
    gone = one.put("a.lab.test", "A", 60, [], serial=3)
    other.follow(delta)
    before = inside(other)
    for wrong in (delta, Delta(b"\x01x\0", *(gone.before, gone.after), (), ())):
        with pytest.raises(ConfigError, match="no change from"):
            other.follow(wrong)
    stranger = zone(SOA.replace(" 1 1 1 1 ", " 2 1 1 1 "))
    with pytest.raises(ConfigError, match="no such record"):
        stranger.follow(gone)
    assert inside(other) == before


def test_a_catalog_tells_which_zone_changed_and_how() -> None:
    told: list[tuple[bytes, Delta | None]] = []
    catalog = Catalog()
    catalog.watch(lambda apex, delta: told.append((apex, delta)))
    first, second = zone(SOA), zone(SOA)
    catalog.put(first)
    delta = first.put("a.lab.test", "A", 60, ["192.0.2.1"], serial=2)
    catalog.put(second, delta)
    first.put("a.lab.test", "A", 60, [], serial=3)
    catalog.remove("lab.test")
    assert told == [(first.apex, None), (first.apex, delta), (first.apex, delta), (first.apex, None)]
