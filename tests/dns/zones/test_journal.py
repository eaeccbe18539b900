from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import zone
from zonemint.dns import wire
from zonemint.dns.zones import journal as journal_
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journal, Journals, compared
from zonemint.dns.zones.zone import Zone

SOA = "@ 60 SOA ns1 host {} 1 1 1 30\n"


def at(serial: int, *lines: str) -> Zone:
    return zone(SOA.format(serial) + "\n".join(lines) + "\n")


def kept() -> tuple[Zone, Journal]:
    catalog, one = Catalog(), at(1)
    catalog.put(one)
    journal = Journals(catalog).keep("lab.test")
    for number in range(2, 6):
        one.put("a.lab.test", "A", 60, [f"192.0.2.{number}"], serial=number)
    return one, journal


def test_the_way_from_each_serial_leads_to_the_newest() -> None:
    one, journal = kept()
    for serial in range(1, 5):
        follower = at(1)
        for delta in (journal.since(1) or [])[: serial - 1]:
            follower.follow(delta)
        found = journal.since(serial)
        assert found is not None
        for delta in found:
            follower.follow(delta)
        assert follower.nodes == one.nodes
    assert journal.since(5) == []
    assert journal.since(6) is None
    assert journal.since(0) is None


def test_a_gap_or_a_new_zone_begins_it_anew() -> None:
    _, journal = kept()
    other = at(20)
    journal.note(other.put("b.lab.test", "A", 60, ["192.0.2.1"], serial=21))
    assert journal.since(1) is None
    assert len(journal.since(20) or []) == 1
    journal.note(None)
    assert journal.since(21) is None


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_, "_DELTAS", 3)
    _, journal = kept()
    assert journal.since(1) is None
    assert len(journal.since(2) or []) == 3
    monkeypatch.setattr(journal_, "_RECORDS", 5)
    _, journal = kept()
    assert journal.since(3) is None
    assert len(journal.since(4) or []) == 1


def test_only_what_somebody_wants_is_kept() -> None:
    catalog, one = Catalog(), at(1)
    catalog.put(one)
    journals = Journals(catalog)
    apex = wire.name_from_text("lab.test")
    assert journals.get(apex) is None
    journals.keep("lab.test")
    one.put("a.lab.test", "A", 60, ["192.0.2.1"], serial=2)
    journal = journals.get(apex)
    assert journal is not None
    assert len(journal.since(1) or []) == 1
    journals.forget("lab.test")
    assert journals.get(apex) is None


lines = st.lists(
    st.sampled_from(
        ["a 60 A 192.0.2.1", "a 60 A 192.0.2.2", "a 60 TXT x", "b.c 60 A 192.0.2.1", "c 90 TXT y", "@ 60 NS x.test."]
    ),
    unique=True,
)


@given(lines, lines)
def test_the_difference_of_two_zones_leads_from_the_one_to_the_other(old: list[str], new: list[str]) -> None:
    one, other = at(1, *old), at(2, *new)
    delta = compared(one, other)
    assert delta is not None
    one.follow(delta)
    assert {name: {rrset.type: set(rrset.data) for rrset in node} for name, node in one.nodes.items()} == {
        name: {rrset.type: set(rrset.data) for rrset in node} for name, node in other.nodes.items()
    }


def test_zones_that_are_too_large_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_, "_COMPARED", 1)
    assert compared(at(1), at(2, "a 60 TXT x")) is None
