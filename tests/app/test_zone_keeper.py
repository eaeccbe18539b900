"""Zones of a node that shares its store: what the file, the store and other nodes change in the same moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest_asyncio

from tests.postgres import Postgres
from zonemint.app.txt_values import AskedValues
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir
from zonemint.core.clock import system_clock
from zonemint.core.errors import StoreUnavailable
from zonemint.dns import wire
from zonemint.dns.zones.catalog import Catalog
from zonemint.store import records
from zonemint.store.database import Steps
from zonemint.store.postgres import PostgresDatabase

T = TypeVar("T")


class Meanwhile(PostgresDatabase):
    """A store whose next read is answered only when something else has been done."""

    then: Callable[[], Awaitable[None]] | None = None

    async def read(self, steps: Steps[T]) -> T:
        found = await super().read(steps)
        then, self.then = self.then, None
        if then is not None:
            await then()
        return found


class Node:
    """A keeper of one zone; `serial` is the one that it serves."""

    def __init__(self, db: Meanwhile, folder: Path) -> None:
        config = Config("lab.test")
        data = DataDir(folder)
        data.zones.mkdir()
        self.db = db
        self.file = data.zone_file("lab.test")
        self.file.touch()
        self.catalog = Catalog()
        values = {zone: AskedValues(db, zone, 60.0, system_clock) for zone in config.auth_zones}
        self.keeper = ZoneKeeper({"": self.catalog}, db, values, config, data, "127.0.0.1", system_clock)

    def names(self) -> set[str]:
        zone = self.catalog.get("lab.test")
        assert zone is not None
        return {one for one in ("old", "new") if wire.name_from_text(f"{one}.lab.test") in zone.nodes}

    def write(self, *names: str) -> None:
        self.file.write_text("".join(f"{name} 60 IN A 192.0.2.1\n" for name in names))


@pytest_asyncio.fixture
async def node(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Node]:
    db = await Meanwhile.open(postgres.database())
    assert isinstance(db, Meanwhile)
    one = Node(db, tmp_path)
    await one.keeper.load()
    yield one
    await db.close()


async def test_a_file_that_is_read_anew_is_not_undone_by_what_was_asked_before(node: Node) -> None:
    node.write("old")
    await node.keeper.reload_changed_files()

    async def edit() -> None:
        node.write("old", "new")
        await node.keeper.reload_changed_files()

    await node.db.write(records.bump("lab.test"))
    node.db.then = edit
    await node.keeper.take_over()
    assert node.names() == {"old", "new"}
    await node.keeper.take_over()
    assert node.names() == {"old", "new"}


async def test_a_file_that_changes_while_the_store_is_away_is_read_when_it_is_back(node: Node) -> None:
    async def refuse() -> None:
        raise StoreUnavailable("gone")

    node.write("new")
    node.db.then = refuse
    await node.keeper.reload_changed_files()
    assert node.names() == set()
    assert "gone" in node.keeper.failures["lab.test"]
    await node.keeper.reload_changed_files()
    assert node.names() == {"new"}
    assert not node.keeper.failures
