"""PostgreSQL at both ends of a copy: a read-only transaction, and one that fills an empty database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.core.text import without_password
from zonemint.store import postgres_schema
from zonemint.store.database import Lock, Row, Rows, Steps
from zonemint.store.postgres_connection import connect
from zonemint.store.tables import Table, tables
from zonemint.store.transfer import sqlite
from zonemint.store.transfer.copy import copy
from zonemint.store.transfer.ends import BATCH, Progress, Sizes, TableSize, converted

__all__ = ["PostgresSnapshot", "PostgresTarget", "export", "snapshot", "target", "vacuum"]

T = TypeVar("T")


class PostgresSnapshot:
    """See Snapshot; made by `snapshot`."""

    def __init__(self, connection: Any, engine: str, schema: int) -> None:
        self._connection = connection
        self.engine = engine
        self.schema = schema

    async def read(self, steps: Steps[T]) -> T:
        """See Snapshot.read."""
        rows: Rows = ()
        try:
            step = next(steps)
            while True:
                if not isinstance(step, Lock):
                    rows = [tuple(row) for row in await self._connection.fetch(step.text, *step.args)]
                step = steps.send(rows)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """See Snapshot.rows."""
        async for batch in _rows(self._connection, table):
            yield batch

    async def sizes(self) -> Sizes:
        """See Snapshot.sizes; `file` is the whole database."""
        found = [
            TableSize(
                name,
                await self._connection.fetchval(f"SELECT count(*) FROM {name}"),
                await self._connection.fetchval("SELECT pg_total_relation_size($1::text::regclass)", name),
            )
            for (name,) in await self._connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
            )
        ]
        file = await self._connection.fetchval("SELECT pg_database_size(current_database())")
        return Sizes(found, file, None, None)

    async def damages(self) -> list[str]:
        """See Snapshot.damages; the server keeps its own pages, and a constraint that is not enforced is one."""
        rows = await self._connection.fetch(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE NOT convalidated AND connamespace = current_schema()::regnamespace"
        )
        return [f"the constraint {name} of {table} was not checked for all rows" for table, name in rows]


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[PostgresSnapshot]:
    """See the database as it is now; raises StoreError, StoreUnavailable."""
    async with (
        _connected(url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        schema = await postgres_schema.version(connection)
        if not schema:
            raise StoreError(f"{without_password(url)}: there is no store in this database")
        engine = f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
        yield PostgresSnapshot(connection, engine, schema)


class PostgresTarget:
    """See Target; made by `target`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See Target.insert."""
        await self._connection.copy_records_to_table(table.name, records=rows, columns=table.columns)

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """See Target.rows."""
        async for batch in _rows(self._connection, table):
            yield batch


@asynccontextmanager
async def target(url: str) -> AsyncIterator[PostgresTarget]:
    """Make the newest schema in a database, and commit what is added when all went well.

    Raises StoreError when there is something in one of our tables, StoreUnavailable.
    """
    async with _connected(url) as connection, connection.transaction():
        await postgres_schema.migrate(connection)
        for table in tables():
            if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):
                raise StoreError(
                    f"{without_password(url)}: there is something in {table.name} already, and nothing is overwritten: "
                    "make an empty database (`createdb`) and give its URL"
                )
        yield PostgresTarget(connection)


async def export(url: str, file: Path, progress: Progress) -> None:
    """Write what a database is now into a new SQLite file of the newest schema; raises StoreError, StoreUnavailable."""
    async with snapshot(url) as source, sqlite.target(file) as copied:
        await copy(source, copied, progress)


async def vacuum(url: str) -> tuple[int, int]:
    """Give free what deleted rows took, and count for the planner; return the bytes before and after.

    Nodes go on to read and write meanwhile. Raises StoreError, StoreUnavailable.
    """
    async with _connected(url) as connection:
        if not await postgres_schema.version(connection):
            raise StoreError(f"{without_password(url)}: there is no store in this database")
        size = "SELECT pg_database_size(current_database())"
        before = await connection.fetchval(size)
        await connection.execute(f"VACUUM (ANALYZE) {', '.join(table.name for table in tables())}")
        return before, await connection.fetchval(size)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    """Connect for long work, and translate what goes wrong."""
    name = without_password(url)
    try:
        connection = await connect(url)
        try:
            await connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            yield connection
        finally:
            await connection.close(timeout=10)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, TimeoutError) as error:
        raise StoreUnavailable(f"{name}: {' '.join(str(error).split()) or type(error).__name__}") from error
    except (asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        raise StoreError(f"{name}: {' '.join(str(error).split())}") from error


async def _rows(connection: Any, table: Table) -> AsyncIterator[list[Row]]:
    cursor = await connection.cursor(f"SELECT {', '.join(table.columns)} FROM {table.name}")
    while batch := await cursor.fetch(BATCH):
        yield converted(table, batch)
