"""Another program's PostgreSQL, read as it was at one moment."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import without_password

__all__ = ["is_url", "snapshot", "url_of"]

_CONNECT = 10.0  # seconds
_SCHEMES = ("postgresql://", "postgres://")


def is_url(text: str) -> bool:
    """Tell whether a text is the URL of a PostgreSQL database."""
    return text.startswith(_SCHEMES)


def url_of(connection: str) -> str:
    """Return the connection text of a Go program as a URL: it is one already, or words like `host=... dbname=...`.

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


@asynccontextmanager
async def snapshot(url: str, what: str, *, within: float) -> AsyncIterator[Any]:
    """Connect, and read in one transaction; `what` is the database in messages, `within` the seconds for all of it.

    Raises ForeignDataError on one line that has the URL without its password, whatever is wrong.
    """
    import asyncpg

    name = without_password(url)
    try:
        async with asyncio.timeout(within):
            connection: Any = await asyncpg.connect(url, timeout=_CONNECT)
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield connection
            finally:
                await connection.close(timeout=_CONNECT)
    except ForeignDataError as error:
        raise ForeignDataError(f"{name}: {error}") from None
    except TimeoutError:
        raise ForeignDataError(f"{name}: {what} did not answer in time") from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ForeignDataError(f"{name}: {what} cannot be read: {' '.join(str(error).split())}") from None
