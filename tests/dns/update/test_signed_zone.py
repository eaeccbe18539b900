"""Updates of a zone that is signed here: what signing makes counts for nothing, and follows each change."""

from __future__ import annotations

from collections.abc import Callable

import dns.update

from tests.dns.dnssec.signed import seal
from tests.dns.update.updating import ALL, Primary, update
from zonemint.dns import codes, wire
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.update.message import read, split
from zonemint.dns.update.semantics import edits_of
from zonemint.dns.zones.overlay import Draft

X = wire.name_from_text("x.lab.test")


def signed() -> Primary:
    primary = Primary()
    seal(primary.zone, SigningKey.generate(Algorithm.ECDSAP256SHA256))
    return primary


def types(primary: Primary) -> set[str]:
    return {codes.type_to_text(rrset.type) for rrset in primary.zone.nodes.get(X, ())}


async def test_signatures_come_and_go_with_what_they_are_of() -> None:
    primary = signed()
    steps: list[tuple[Callable[[dns.update.UpdateMessage], None], set[str]]] = [
        (lambda u: u.add("x", 60, "A", "192.0.2.1"), {"A", "RRSIG", "NSEC"}),
        (lambda u: u.add("x", 60, "CNAME", "file.lab.test."), {"A", "RRSIG", "NSEC"}),
        (lambda u: u.present("x", "A", "192.0.2.1"), {"A", "RRSIG", "NSEC"}),
        (lambda u: u.delete("x"), set()),
        (lambda u: u.absent("x"), set()),
        (lambda u: u.add("x", 60, "CNAME", "file.lab.test."), {"CNAME", "RRSIG", "NSEC"}),
        (lambda u: u.delete("x", "CNAME"), set()),
    ]
    for make, left in steps:
        message = update()
        make(message)
        assert await primary.rcode(message) == "NOERROR"
        assert types(primary) == left


async def test_who_comes_right_behind_finds_the_name_free() -> None:
    """Updates of one transaction are decided before any of them is signed."""
    primary, message = signed(), update()
    message.add("x", 60, "A", "192.0.2.1")
    assert await primary.rcode(message) == "NOERROR"
    draft = Draft(primary.zone, primary.overlay)
    removing, adding = update(), update()
    removing.delete("x")
    adding.absent("x")
    adding.add("x", 60, "CNAME", "file.lab.test.")
    for one in (removing, adding):
        sent = one.to_wire()
        draft.edit(edits_of(read(sent, split(sent)), ALL.rights)(draft))
    primary.zone.apply(draft.changes, primary.zone.serial + 1)
    assert types(primary) == {"CNAME", "RRSIG", "NSEC"}
