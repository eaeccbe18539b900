"""Changes of a zone that is served: checked against it, stored, served; and seen by others who serve it too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from zonemint.app.dynamic import change
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir
from zonemint.core.clock import system_clock
from zonemint.core.errors import ConfigError, StoreUnavailable
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.store import records, zone_changes
from zonemint.store.database import Steps
from zonemint.store.records import DynamicRecord
from zonemint.store.sqlite import SqliteDatabase

ZONE = "lab.test"


class Node:
    """A server's zones over a folder, without the server; `told` is what changed since it began."""

    def __init__(self, data: DataDir) -> None:
        self.config = Config(ZONE, roles=("ca", "dns"))
        self.data = data
        self.db = SqliteDatabase(data.database)
        self.catalog = Catalog()
        self.told: list[Delta | None] = []
        self.keeper = ZoneKeeper({"": self.catalog}, self.db, {}, self.config, data, "127.0.0.1", system_clock)

    async def begin(self) -> None:
        await self.keeper.load()
        self.catalog.watch(lambda apex, delta: self.told.append(delta))

    def addresses(self, name: str) -> set[str]:
        zone = self.catalog.get(ZONE)
        assert zone is not None
        rrset = zone.rrset(wire.name_from_text(f"{name}.{ZONE}"), codes.A)
        return set() if rrset is None else {rdata.to_text(codes.A, one, 0, len(one)) for one in rrset.data}

    @property
    def serial(self) -> int:
        zone = self.catalog.get(ZONE)
        assert zone is not None
        return zone.serial

    async def make(self, *edits: Edit) -> list[Edit]:
        return await self.keeper.change(ZONE, lambda draft: edits, actor="me", by="test")

    async def stored(self) -> set[tuple[str, str]]:
        return {(one.name, one.data) for one in await self.db.read(records.of_zone(ZONE))}


def edit(added: bool, name: str, address: str, ttl: int = 60) -> Edit:
    return Edit(added, wire.name_from_text(f"{name}.{ZONE}"), codes.A, ttl, rdata.from_text(codes.A, address))


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    folder = DataDir(tmp_path)
    folder.zones.mkdir()
    folder.zone_file(ZONE).write_text("www 60 A 192.0.2.1\n")
    return folder


@pytest_asyncio.fixture
async def node(data: DataDir) -> AsyncIterator[Node]:
    one = Node(data)
    await one.begin()
    yield one
    await one.db.close()


async def test_a_change_is_stored_and_served_when_it_is_answered(node: Node) -> None:
    before = node.serial
    assert await node.make(edit(True, "new", "192.0.2.2")) == [edit(True, "new", "192.0.2.2")]
    assert node.addresses("new") == {"192.0.2.2"}
    assert await node.stored() == {(f"new.{ZONE}", "192.0.2.2")}
    (delta,) = node.told
    assert delta is not None
    assert (delta.old_serial, delta.new_serial) == (before, before + 1)
    assert await node.make(edit(True, "new", "192.0.2.2")) == []
    assert await node.make(edit(False, "new", "192.0.2.2")) == [edit(False, "new", "192.0.2.2")]
    assert (node.addresses("new"), await node.stored(), node.serial) == (set(), set(), before + 2)


async def test_those_that_come_together_share_a_serial_and_one_that_is_refused_does_nothing_to_them(node: Node) -> None:
    before = node.serial

    def first(draft: Draft) -> Iterable[Edit]:
        """Only where there is nothing yet."""
        if draft.node(wire.name_from_text(f"once.{ZONE}")):
            raise ConfigError("it is there")
        return [edit(True, "once", "192.0.2.3")]

    outcomes = await asyncio.gather(
        node.keeper.change(ZONE, first, actor="me", by="test"),
        node.make(edit(False, "www", "192.0.2.1")),
        node.keeper.change(ZONE, first, actor="you", by="test"),
        *[node.make(edit(True, "many", f"192.0.2.{number}")) for number in range(20)],
        node.make(edit(True, "gone", "192.0.2.4")),
        node.make(edit(False, "gone", "192.0.2.4")),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes[:3]] == [list, ConfigError, ConfigError]
    assert all(isinstance(one, list) and len(one) == 1 for one in outcomes[3:])
    assert (node.addresses("once"), len(node.addresses("many")), node.addresses("gone")) == ({"192.0.2.3"}, 20, set())
    assert node.addresses("www") == {"192.0.2.1"}
    assert node.serial == before + 1
    rows = await node.db.read(zone_changes.since(ZONE, before, before + 1))
    assert rows is not None
    assert {(one.added, one.name) for one in rows} == {(True, f"many.{ZONE}"), (True, f"once.{ZONE}")}


async def test_what_belongs_with_a_change_is_done_with_it_or_undone(node: Node) -> None:
    def more() -> Steps[None]:
        yield from records.save_serial("also.test", 1, "")

    def fails() -> Steps[None]:
        yield from records.save_serial("never.test", 1, "")
        raise ConfigError("no")

    one, two, three = [[edit(True, name, "192.0.2.2")] for name in ("one", "two", "three")]
    outcomes = await asyncio.gather(
        node.keeper.change(ZONE, lambda draft: one, actor="me", by="test", also=fails),
        node.keeper.change(ZONE, lambda draft: two, actor="me", by="test"),
        node.keeper.change(ZONE, lambda draft: three, actor="me", by="test", also=more),
        node.keeper.change(ZONE, lambda draft: three, actor="me", by="test", also=more),
        return_exceptions=True,
    )
    assert [isinstance(one, ConfigError) or one for one in outcomes] == [True, two, three, []]
    assert (node.addresses("one"), node.addresses("two"), node.addresses("three")) == (
        set(),
        {"192.0.2.2"},
        {"192.0.2.2"},
    )
    found = await node.db.read(records.serials())
    assert "also.test" in found
    assert "never.test" not in found


async def test_a_zone_that_is_not_served_is_not_changed(node: Node) -> None:
    with pytest.raises(StoreUnavailable):
        await node.keeper.change("other.test", lambda draft: [], actor="me", by="test")


async def test_what_a_command_changes_is_taken_over_as_a_difference(node: Node) -> None:
    other = SqliteDatabase(node.data.database)
    try:
        for number in (1, 2):
            new = DynamicRecord(ZONE, f"cmd.{ZONE}", "A", f"192.0.2.{number}", 60, 0, "me")
            assert await change(other, node.config, node.data, ZONE, actor="me", add=[new])
        # Without a look in between, the next change of our own sees them.
        assert await node.make(edit(True, "cmd", "192.0.2.1"), edit(True, "cmd", "192.0.2.3")) == [
            edit(True, "cmd", "192.0.2.3")
        ]
    finally:
        await other.close()
    assert node.addresses("cmd") == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert [delta is not None and len(delta.touched) for delta in node.told] == [1, 1]


async def test_without_the_differences_all_records_are_read(node: Node) -> None:
    await node.make(edit(True, "old", "192.0.2.2"))
    await node.db.write(records.remove(ZONE, f"old.{ZONE}", "A"))
    await node.db.write(records.add(DynamicRecord(ZONE, f"new.{ZONE}", "A", "192.0.2.3", 60, 0, "me")))
    await node.db.write(records.bump(ZONE))
    await node.keeper.take_over()
    assert (node.addresses("old"), node.addresses("new")) == (set(), {"192.0.2.3"})
    assert await node.make(edit(False, "new", "192.0.2.3"))


async def test_many_steps_of_two_servers_end_equal(node: Node) -> None:
    """Each writes, and each follows the other."""
    other = Node(node.data)
    await other.begin()
    try:
        for number in range(30):
            who, name, address = (node, other)[number % 2], f"n{number % 5}", f"192.0.2.{number % 3 + 1}"
            await who.make(edit(number % 4 != 3, name, address))
        for one in (node, other):
            await one.keeper.take_over()
        expected = await node.stored()
        for one in (node, other):
            served = {(f"n{number}.{ZONE}", address) for number in range(5) for address in one.addresses(f"n{number}")}
            assert served == expected
        assert node.serial == other.serial
        assert None not in node.told
    finally:
        await other.db.close()


async def test_old_differences_are_not_kept_for_ever(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_changes, "_KEPT", 10)
    first = node.serial
    for number in range(80):
        await node.make(edit(number % 2 == 0, "a", "192.0.2.2"))
    assert await node.db.read(zone_changes.since(ZONE, first, node.serial)) is None
    assert await node.db.read(zone_changes.since(ZONE, node.serial - 9, node.serial)) is not None


async def test_a_file_that_changes_keeps_what_is_dynamic(node: Node) -> None:
    await node.make(edit(True, "dyn", "192.0.2.2"), edit(True, "www", "192.0.2.3"))
    node.data.zone_file(ZONE).write_text("www 60 A 192.0.2.9\n")
    await node.keeper.reload_changed_files()
    assert node.addresses("www") == {"192.0.2.9", "192.0.2.3"}
    assert await node.make(edit(False, "dyn", "192.0.2.2"), edit(False, "www", "192.0.2.3"))
    assert node.addresses("www") == {"192.0.2.9"}


async def test_a_file_that_changes_is_compared_for_who_keeps_a_journal(node: Node) -> None:
    file, before = node.data.zone_file(ZONE), node.serial
    journal = node.keeper.journals.keep(ZONE)
    await node.make(edit(True, "dyn", "192.0.2.2"))
    file.write_text("www 60 A 192.0.2.9\n")
    await node.keeper.reload_changed_files()
    found = journal.since(before)
    assert found is not None
    assert [len(one.touched) for one in found] == [1, 1]
    assert found[-1].new_serial == node.serial
    node.keeper.journals.forget(ZONE)
    file.write_text("www 60 A 192.0.2.10\n")
    await node.keeper.reload_changed_files()
    assert node.told[-1] is None


async def test_a_file_that_is_included_is_watched_too(node: Node) -> None:
    node.data.zone_file(ZONE).write_text("$TTL 60\n$INCLUDE parts/hosts\n")
    (node.data.zones / "parts").mkdir()
    part = node.data.zones / "parts/hosts"
    await node.keeper.reload_changed_files()
    assert f"{node.data.zone_file(ZONE)}:2: $INCLUDE: there is no file {part}" in node.keeper.failures[ZONE]
    for address in ("192.0.2.7", "192.0.2.78"):
        part.write_text(f"part A {address}\n")
        await node.keeper.reload_changed_files()
        assert node.addresses("part") == {address}
    assert not node.keeper.failures
    part.write_text("part A nothing\n")
    await node.keeper.reload_changed_files()
    assert node.keeper.failures[ZONE].startswith(f"{part}:1: ")
    assert node.addresses("part") == {"192.0.2.78"}


async def test_others_have_their_turn_while_a_large_file_is_read(node: Node) -> None:
    node.data.zone_file(ZONE).write_text("$TTL 60\n$GENERATE 1-20000 h$ A 192.0.2.1\n")
    loading = asyncio.create_task(node.keeper.reload_changed_files())
    turns = 0
    while not loading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 50
    assert node.addresses("h20000") == {"192.0.2.1"}


async def test_zones_come_and_go_with_their_files(node: Node) -> None:
    file = node.data.zone_file(f"sub.{ZONE}")
    file.write_text("www 60 A nothing\n")
    parent, cut = node.catalog.get(ZONE), wire.name_from_text(f"sub.{ZONE}")
    assert parent is not None
    await node.keeper.reload_changed_files()
    found = node.catalog.find(cut, codes.A)
    assert found is not None
    with pytest.raises(StoreUnavailable):
        found.find(cut, codes.A)
    assert f"{file}:1: " in node.keeper.failures[f"sub.{ZONE}"]
    file.write_text("www 60 A 192.0.2.5\n")
    await node.keeper.reload_changed_files()
    assert not node.keeper.failures
    child, parent = node.catalog.get(f"sub.{ZONE}"), node.catalog.get(ZONE)
    assert child is not None
    assert parent is not None
    delegation = parent.rrset(cut, codes.NS)
    assert delegation == child.rrset(cut, codes.NS)
    file.unlink()
    await node.keeper.reload_changed_files()
    assert node.catalog.get(f"sub.{ZONE}") is child
    await node.keeper.reload_changed_files()
    assert node.catalog.get(f"sub.{ZONE}") is None
