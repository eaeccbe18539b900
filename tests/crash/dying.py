"""kill -9 at one commit of this process, whichever engine commits and whatever code of ours asked for it."""

from __future__ import annotations

import functools
import os
import signal
import sqlite3
from dataclasses import dataclass
from typing import Any

import asyncpg

__all__ = ["Death", "install"]


@dataclass
class Death:
    """When the process dies: at the commit of this number, counted from 1 once it is `armed`, or just after it."""

    number: int
    after: bool
    armed: bool = False
    _seen: int = 0

    def about_to_commit(self) -> bool:
        """Count a commit, and perhaps never do it; tell whether it is the last one."""
        self._seen += self.armed
        is_last = self.armed and self._seen == self.number
        if is_last and not self.after:
            _die()
        return is_last


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(death: Death) -> None:
    """Watch every connection to a store that this process opens from now on."""

    class Sqlite(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql != "COMMIT":
                return super().execute(sql, parameters)
            is_last = death.about_to_commit()
            done = super().execute(sql, parameters)
            if is_last:
                _die()
            return done

    class Postgres(asyncpg.Connection):  # type: ignore[misc]
        async def execute(self, query: str, *args: Any, **options: Any) -> Any:
            return await watched(query == "COMMIT", super().execute(query, *args, **options))

        async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
            # One statement that changes something is a transaction of its own; nonces are no part of an order.
            alone = not self.is_in_transaction() and not query.startswith("SELECT") and "nonces" not in query
            return await watched(alone, super().fetch(query, *args, **options))

    async def watched(commits: bool, doing: Any) -> Any:
        is_last = commits and death.about_to_commit()
        done = await doing
        if is_last:
            _die()
        return done

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Sqlite)  # type: ignore[assignment]
    asyncpg.connect = functools.partial(asyncpg.connect, connection_class=Postgres)
