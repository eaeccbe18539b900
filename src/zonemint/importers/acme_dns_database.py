"""Foreign databases, opened to read: one snapshot, and nothing in them changes."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from zonemint.core.errors import ForeignDataError
from zonemint.importers import acme_dns
from zonemint.importers.acme_dns import Found
from zonemint.importers.postgres import snapshot
from zonemint.store.database import Rows, Sql

__all__ = ["is_sqlite", "read_postgres", "read_sqlite"]

_MAGIC = b"SQLite format 3\0"
_LARGEST = 1 << 20  # octets of a row that SQLite may bring into memory
_READ = 120.0  # seconds for all of a PostgreSQL database
_PARAMETER = re.compile(r"\$\d+")


def is_sqlite(file: Path) -> bool:
    """Tell whether a file is a SQLite database, by its first octets; raises OSError."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def read_sqlite(file: Path) -> Found:
    """Read acme-dns's SQLite file; raises ForeignDataError on one line, whatever is wrong with it."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.text_factory = bytes  # what is no UTF-8 is for the reader to refuse, row by row
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            connection.execute("BEGIN")
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            steps = acme_dns.found({name.decode(errors="replace").lower() for (name,) in names})
            rows: Rows = ()
            step = next(steps)
            while True:
                assert isinstance(step, Sql)
                rows = connection.execute(_PARAMETER.sub("?", step.text), step.args).fetchall()
                step = steps.send(rows)
        finally:
            connection.close()
    except StopIteration as stop:
        result: Found = stop.value
        return result
    except ForeignDataError as error:
        raise ForeignDataError(f"{file}: {error}") from None
    except sqlite3.Error as error:
        raise ForeignDataError(f"{file}: the database cannot be read: {error}") from None


async def read_postgres(url: str) -> Found:
    """Read acme-dns's PostgreSQL database; raises ForeignDataError on one line, whatever is wrong with it."""
    async with snapshot(url, "the database", within=_READ) as connection:
        return await _found(connection)


async def _found(connection: Any) -> Found:
    names = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY($1)",
        (await connection.fetchval("SELECT current_schemas(false)")),
    )
    steps = acme_dns.found({name for (name,) in names})
    try:
        step = next(steps)
        while True:
            assert isinstance(step, Sql)
            rows = [tuple(row) for row in await connection.fetch(step.text, *step.args)]
            step = steps.send(rows)
    except StopIteration as stop:
        result: Found = stop.value
        return result
