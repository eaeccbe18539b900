"""Catalogs as we make them, and as others do."""

from __future__ import annotations

import pytest

from zonemint.core.errors import ForeignDataError
from zonemint.dns import wire
from zonemint.dns.transfer.membership import changes, members, records
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone

NAME = "catalog.invalid"
A, B = wire.name_from_text("a.test"), wire.name_from_text("b.test")


def catalog(*more: Record) -> Zone:
    return Zone.build(NAME, [*records(NAME), *more])


def member(label: str, name: str) -> Record:
    return Record(f"{label}.zones.{NAME}", 0, "PTR", f"{name}.")


def test_what_we_list_is_what_others_read_and_only_what_changes_is_changed() -> None:
    zone = catalog()
    zone.apply(changes(zone, {A: "", B: "lab"}), 2)
    listed = members(zone)
    assert listed.keys() == {A, B}
    assert [one.data for one in zone.records() if one.name.startswith("group.")] == ['"lab"']
    assert changes(zone, {A: "", B: "lab"}) == {}
    # Groups go with their zone, and who comes again has the same label.
    zone.apply(changes(zone, {A: ""}), 3)
    assert members(zone) == {A: listed[A]}
    assert not [one for one in zone.records() if one.name.startswith("group.")]
    zone.apply(changes(zone, {A: "", B: ""}), 4)
    assert members(zone) == listed


@pytest.mark.parametrize(
    "broken",
    [
        Zone.build(NAME, [one for one in records(NAME) if one.type != "TXT"]),
        Zone.build(
            NAME, [one for one in records(NAME) if one.type != "TXT"] + [Record(f"version.{NAME}", 0, "TXT", '"3"')]
        ),
        catalog(member("x", "a.test"), member("x", "b.test")),
        catalog(member("x", "a.test"), member("y", "a.test")),
    ],
)
def test_a_catalog_that_is_unclear_is_none(broken: Zone) -> None:
    with pytest.raises(ForeignDataError):
        members(broken)


def test_what_else_a_catalog_has_is_passed_over() -> None:
    zone = catalog(
        member("x", "A.test"),
        Record(f"coo.x.zones.{NAME}", 0, "PTR", "other.invalid."),
        Record(f"deep.er.zones.{NAME}", 0, "PTR", "c.test."),
        Record(f"y.zones.{NAME}", 0, "TXT", '"d.test"'),
    )
    assert members(zone) == {A: b"x"}
