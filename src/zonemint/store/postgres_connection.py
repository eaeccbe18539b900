"""Connections to a PostgreSQL database, as all parts of a node make them."""

from __future__ import annotations

from typing import Any

import asyncpg

__all__ = ["connect"]

_CONNECT = 3.0  # seconds for each host of the URL
_STATEMENT = 10_000  # milliseconds after which the server itself ends a statement that nobody waits for any more


async def connect(url: str) -> Any:
    """Connect to the first host of the URL that takes writes; raises what asyncpg raises, and OSError.

    A commit lasts when it is answered, whatever the server's default is.
    """
    # The URL may say which server it wants; one that is a standby since a fail-over would refuse every write.
    chosen = {} if "target_session_attrs=" in url else {"target_session_attrs": "read-write"}
    connection = await asyncpg.connect(
        url,
        timeout=_CONNECT,
        statement_cache_size=512,
        max_cached_statement_lifetime=0,
        server_settings={
            "application_name": "zonemint",
            "statement_timeout": str(_STATEMENT),
            "idle_in_transaction_session_timeout": str(_STATEMENT),
            "TimeZone": "UTC",
        },
        **chosen,
    )
    try:
        await connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    except BaseException:
        connection.terminate()
        raise
    return connection
