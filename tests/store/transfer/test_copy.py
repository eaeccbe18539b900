"""Whole stores between files and databases: the same rows at the other end, or nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.postgres import Postgres, query
from tests.store import filled
from zonemint.core.errors import StoreError
from zonemint.store.database import Row
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.tables import Table, tables
from zonemint.store.transfer import opening, sqlite
from zonemint.store.transfer.copy import copy
from zonemint.store.transfer.ends import Snapshot


def untold(what: str, done: int, total: int) -> None:
    """Nobody looks."""


async def content(store: Snapshot) -> dict[str, list[Row]]:
    """All rows of all tables, in one order."""
    found: dict[str, list[Row]] = {}
    for table in tables():
        found[table.name] = sorted([row async for batch in store.rows(table) for row in batch], key=repr)
    return found


async def moved(source: str, to: str) -> None:
    async with opening.snapshot(*place(source)) as store, opening.target(to) as filled_one:
        done = await copy(store, filled_one, untold)
    assert {one.table: one.rows for one in done} == filled.COUNTS


def place(where: str) -> tuple[str, Path]:
    return (where, Path()) if opening.is_url(where) else ("", Path(where))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return filled.fill(tmp_path / "store.db")


@pytest.fixture(params=["file", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "copy.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


async def test_there_and_back(store: Path, empty: str, tmp_path: Path) -> None:
    await moved(str(store), empty)
    await moved(empty, str(tmp_path / "back.db"))
    async with sqlite.snapshot(store) as one, sqlite.snapshot(tmp_path / "back.db") as other:
        assert await content(one) == await content(other)
    async with opening.snapshot(*place(empty)) as one, sqlite.snapshot(store) as other:
        assert await content(one) == await content(other)


async def test_a_copy_is_private_and_a_whole_store(store: Path, tmp_path: Path) -> None:
    await moved(str(store), str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    db = SqliteDatabase(tmp_path / "copy.db")
    await db.close()
    assert sorted(os.listdir(tmp_path)) == ["copy.db", "store.db"]


async def test_what_has_something_in_it_is_left_alone(store: Path, empty: str) -> None:
    await moved(str(store), empty)
    with pytest.raises(StoreError, match=r"already, and"):
        await moved(str(store), empty)
    async with opening.snapshot(*place(empty)) as one, sqlite.snapshot(store) as other:
        assert await content(one) == await content(other)


async def test_a_copy_that_stops_half_way_leaves_nothing(store: Path, empty: str, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == "comparing traces":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with opening.snapshot(*place(str(store))) as one, opening.target(empty) as other:
            await copy(one, other, stop)
    await moved(str(store), empty)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


async def test_what_is_written_meanwhile_is_not_in_it(store: Path, tmp_path: Path) -> None:
    def write(what: str, done: int, total: int) -> None:
        if what == "copying accounts":
            with closing(sqlite3.connect(store)) as db, db:
                db.execute("INSERT INTO blocked_keys VALUES ('late', 1, '')")

    async with sqlite.snapshot(store) as one, sqlite.target(tmp_path / "copy.db") as other:
        done = await copy(one, other, write)
    assert {one.table: one.rows for one in done} == filled.COUNTS


async def test_the_same_of_postgresql(store: Path, postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    await moved(str(store), url)

    def write(what: str, done: int, total: int) -> None:
        if what == "copying accounts":
            query(url, "INSERT INTO blocked_keys VALUES ('late', 1, '')")

    async with opening.snapshot(url, Path()) as one, sqlite.target(tmp_path / "copy.db") as other:
        done = await copy(one, other, write)
    assert {one.table: one.rows for one in done} == filled.COUNTS


class Forgetful(sqlite.SqliteTarget):
    """A target that is not told the truth by its disk."""

    spoil: Callable[[Row], Row]

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        async for batch in super().rows(table):
            yield [self.spoil(row) if table.name == "authorizations" else row for row in batch]


@pytest.mark.parametrize("spoil", [lambda row: (*row[:5], not row[5], *row[6:]), lambda row: row[::-1]])
async def test_a_copy_that_differs_is_noticed(
    store: Path, tmp_path: Path, spoil: Callable[[Sequence[object]], Row]
) -> None:
    path = filled.make(tmp_path / "other.db")
    with closing(sqlite3.connect(path)) as db:
        other = Forgetful(path, db)
        other.spoil = spoil
        async with sqlite.snapshot(store) as one:
            with pytest.raises(StoreError, match=r"the copy of authorizations is not the same"):
                await copy(one, other, untold)


async def test_an_export_is_the_store_without_what_was_deleted(store: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("INSERT INTO blocked_keys VALUES ('deleted-and-secret', 1, '')")
        db.execute("DELETE FROM blocked_keys WHERE key_hash = 'deleted-and-secret'")
    await opening.export("", store, tmp_path / "copy.db", untold)
    assert b"deleted-and-secret" not in (tmp_path / "copy.db").read_bytes()
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    async with sqlite.snapshot(store) as one, sqlite.snapshot(tmp_path / "copy.db") as other:
        assert await content(one) == await content(other)


async def test_a_database_without_a_store(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match=r"there is no store in this database"):
        async with opening.snapshot(postgres.database(), Path()):
            raise AssertionError
