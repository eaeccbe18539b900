"""What other nodes committed, as PostgreSQL tells it (LISTEN and NOTIFY)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

from zonemint.store.postgres_connection import connect

__all__ = ["Listener"]

_CHANNEL = "zonemint"
_RETRY = 0.5  # seconds between tries to connect
_PULSE = 5.0  # seconds between signs of life, which find a connection that broke in silence
_ANSWER = 3.0  # seconds for one
# Of the connection; the last one is that no host of the URL takes writes, in the middle of a fail-over.
_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Listener:
    """Keeps a connection that is told of changes; it connects when somebody watches."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._watchers: list[Callable[[str], None]] = []
        self._task: asyncio.Task[None] | None = None

    def watch(self, changed: Callable[[str], None]) -> None:
        """See PostgresDatabase.on_change."""
        self._watchers.append(changed)
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with suppress(*_FAILURES):
                connection = await connect(self._url)
                try:
                    await self._listen(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_RETRY)

    async def _listen(self, connection: Any) -> None:
        await connection.add_listener(_CHANNEL, lambda _, __, ___, table: self._tell(table))
        # What happened before is not told again.
        self._tell("")
        while True:
            await asyncio.sleep(_PULSE)
            await connection.execute("SELECT 1", timeout=_ANSWER)

    def _tell(self, table: str) -> None:
        for changed in self._watchers:
            changed(table)
