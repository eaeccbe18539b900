"""The tables that hold what a store is for, read off the migrations: nobody has to remember a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from typing import NamedTuple

from zonemint.store import migrations

__all__ = ["Table", "objects", "objects_in", "tables"]

# What running nodes agree on from moment to moment, and what the migrations note, is no part of the content.
_NO_CONTENT = frozenset({"leases", "schema_versions"})


class Table(NamedTuple):
    """A table with its columns in their order; `booleans` are the positions of those that are true or false."""

    name: str
    columns: tuple[str, ...]
    booleans: frozenset[int]


@lru_cache
def tables() -> tuple[Table, ...]:
    """Return the tables of the newest schema, each after those that it refers to."""
    with closing(_made(migrations.newest())) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
        waiting = {
            name: {row[2] for row in db.execute(f"PRAGMA foreign_key_list({name})")} - {name}
            for name in names
            if name not in _NO_CONTENT
        }
        ordered: list[str] = []
        while waiting:
            # A cycle ends this with StopIteration, in the test that reads the tables.
            ready = next(name for name, needs in waiting.items() if needs <= set(ordered))
            ordered.append(ready)
            del waiting[ready]
        return tuple(_table(db, name) for name in ordered)


@lru_cache
def objects(version: int) -> frozenset[tuple[str, str, str]]:
    """Return (type, name, SQL) of everything that a SQLite file with a schema has, and nothing else may be in it."""
    with closing(_made(version)) as db:
        return objects_in(db)


def objects_in(db: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Return the same of a file that is open, without what SQLite itself makes: keys' indexes and statistics."""
    return frozenset(
        db.execute(
            "SELECT type, name, sql FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT IN ('sqlite_stat1', 'sqlite_stat4')"
        )
    )


def _made(version: int) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)")
    for migration in migrations.after(0, "sqlite"):
        if migration.version <= version:
            for statement in migration.statements:
                db.execute(statement)
    return db


def _table(db: sqlite3.Connection, name: str) -> Table:
    rows = db.execute(f"PRAGMA table_info({name})").fetchall()
    return Table(name, tuple(row[1] for row in rows), frozenset(row[0] for row in rows if row[2] == "BOOLEAN"))
