"""Foreign databases, opened to read: one snapshot, and nothing in them changes."""

from __future__ import annotations

import asyncio
import re
import shlex
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import without_password
from zonemint.importers import acme_dns
from zonemint.importers.acme_dns import Found
from zonemint.store.database import Rows, Sql

__all__ = ["is_sqlite", "is_url", "read_postgres", "read_sqlite", "url_of"]

_MAGIC = b"SQLite format 3\0"
_LARGEST = 1 << 20  # octets of a row that SQLite may bring into memory
_CONNECT = 10.0  # seconds
_READ = 120.0  # seconds for all of a PostgreSQL database
_SCHEMES = ("postgresql://", "postgres://")
_PARAMETER = re.compile(r"\$\d+")


def is_sqlite(file: Path) -> bool:
    """Tell whether a file is a SQLite database, by its first octets; raises OSError."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def is_url(text: str) -> bool:
    """Tell whether a text is the URL of a PostgreSQL database."""
    return text.startswith(_SCHEMES)


def url_of(connection: str) -> str:
    """Return acme-dns's connection text as a URL: it is one already, or words like `host=... dbname=...`.

    Raises ForeignDataError.
    """
    if is_url(connection):
        return connection
    try:
        words = dict(word.split("=", 1) for word in shlex.split(connection))
    except ValueError:
        raise ForeignDataError("the connection is neither a URL nor words like host=... dbname=...") from None
    known = {name: words.pop(name, "") for name in ("user", "password", "host", "port", "dbname")}
    login = quote(known["user"], safe="") + (f":{quote(known['password'], safe='')}" if known["password"] else "")
    host = quote(known["host"] or "localhost", safe="") + (f":{known['port']}" if known["port"] else "")
    query = f"?{urlencode(words)}" if words else ""
    return (
        f"postgresql://{f'{login}@' if login else ''}{host}/{quote(known['dbname'] or known['user'], safe='')}{query}"
    )


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
    import asyncpg

    name = without_password(url)
    try:
        async with asyncio.timeout(_READ):
            connection: Any = await asyncpg.connect(url, timeout=_CONNECT)
            try:
                return await _snapshot(connection)
            finally:
                await connection.close(timeout=_CONNECT)
    except ForeignDataError as error:
        raise ForeignDataError(f"{name}: {error}") from None
    except TimeoutError:
        raise ForeignDataError(f"{name}: the database did not answer in time") from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ForeignDataError(f"{name}: the database cannot be read: {' '.join(str(error).split())}") from None


async def _snapshot(connection: Any) -> Found:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
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
