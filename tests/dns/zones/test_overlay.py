"""Dynamic records over fixed ones: what is served is always what would be built anew, and fixed records stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import zone
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.overlay import Draft, Edit, Overlay
from zonemint.dns.zones.zone import Zone

FIXED = "@ 60 SOA ns1 host 1 1 1 1 30\na 100 A 192.0.2.1\na 100 A 192.0.2.2\nb 100 CNAME a\n"


def edit(added: bool, name: str, data: str, ttl: int = 60, type_: int = codes.A) -> Edit:
    return Edit(added, wire.name_from_text(f"{name}.lab.test"), type_, ttl, rdata.from_text(type_, data))


edits = st.one_of(
    st.builds(
        edit,
        st.booleans(),
        st.sampled_from(["a", "b", "c", "d.c"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
        st.sampled_from([50, 60, 200]),
    ),
    st.builds(
        edit,
        st.booleans(),
        st.sampled_from(["b", "c"]),
        st.sampled_from(["a.lab.test.", "x.test."]),
        st.just(60),
        st.just(codes.CNAME),
    ),
)


def served(one: Zone) -> dict[bytes, dict[int, tuple[int, set[bytes]]]]:
    return {name: {each.type: (each.ttl, set(each.data)) for each in node} for name, node in one.nodes.items()}


def made(dynamic: list[Edit]) -> tuple[Zone, Overlay]:
    """A zone with these dynamic records, made at once."""
    one, overlay = zone(FIXED), Overlay()
    draft = Draft(one, overlay)
    draft.replace(dynamic)
    one.apply(draft.changes, 2)
    overlay.take(draft)
    return one, overlay


@given(st.lists(st.lists(edits, max_size=4), max_size=8))
def test_step_by_step_or_at_once_it_is_the_same_zone(steps: list[list[Edit]]) -> None:
    one, overlay = zone(FIXED), Overlay()
    follower, behind = zone(FIXED), Overlay()
    for serial, step in enumerate(steps, 2):
        draft = Draft(one, overlay)
        before, known = served(one), overlay.edits()
        try:
            done = draft.edit(step)
        except ConfigError:
            assert (served(one), overlay.edits()) == (before, known)
            assert not draft.changes
            continue
        net = draft.net()
        assert bool(net) <= bool(done)
        one.apply(draft.changes, serial)
        overlay.take(draft)
        repeated = Draft(follower, behind)
        repeated.edit(net)
        follower.apply(repeated.changes, serial)
        behind.take(repeated)
    again, _ = made(overlay.edits())
    for each in (again, follower):
        got, expected = served(each), served(one)
        for node in (got[each.apex], expected[one.apex]):
            node.pop(codes.SOA)
        assert got == expected


def test_what_was_fixed_is_back_when_the_dynamic_is_gone() -> None:
    one, overlay = made([edit(True, "a", "192.0.2.3", ttl=50)])
    node = served(one)[wire.name_from_text("a.lab.test")]
    assert (node[codes.A][0], len(node[codes.A][1])) == (50, 3)
    draft = Draft(one, overlay)
    assert draft.edit([edit(False, "a", "192.0.2.3")]) == [edit(False, "a", "192.0.2.3", ttl=50)]
    one.apply(draft.changes, 3)
    overlay.take(draft)
    assert served(one)[wire.name_from_text("a.lab.test")] == served(zone(FIXED))[wire.name_from_text("a.lab.test")]
    assert overlay.edits() == []


def test_a_fixed_record_is_not_removed() -> None:
    draft = Draft(zone(FIXED), Overlay())
    with pytest.raises(ConfigError, match=r"a\.lab\.test A is in the zone file"):
        draft.edit([edit(True, "c", "192.0.2.9"), edit(False, "a", "192.0.2.1")])
    assert not draft.layers


def test_what_changes_nothing_is_not_told() -> None:
    one, overlay = made([edit(True, "c", "192.0.2.3")])
    draft = Draft(one, overlay)
    assert draft.edit([edit(True, "a", "192.0.2.1"), edit(True, "c", "192.0.2.3"), edit(False, "x", "192.0.2.3")]) == []
    again = [edit(False, "c", "192.0.2.3"), edit(True, "c", "192.0.2.3", ttl=90)]
    assert draft.edit([again[1]]) == again
    assert draft.net() == again
    back = [edit(False, "c", "192.0.2.3", ttl=90), edit(True, "c", "192.0.2.3")]
    assert draft.edit([back[1]]) == back
    assert draft.net() == []


def test_a_draft_shows_what_it_would_come_to() -> None:
    one, overlay = made([])
    draft = Draft(one, overlay)
    owner = wire.name_from_text("c.lab.test")
    assert draft.node(owner) == ()
    draft.edit([edit(True, "c", "192.0.2.3")])
    rrset = draft.rrset(owner, codes.A)
    assert rrset is not None
    assert draft.dynamic(owner, codes.A) == {rrset.data[0]: 60}
    assert draft.dynamic(wire.name_from_text("a.lab.test"), codes.A) == {}
    assert one.rrset(owner, codes.A) is None
