"""Checkpoints of SQLite's log: done beside the event loop, so that no commit waits for one."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

__all__ = ["Checkpointer"]

_DUE = 4096  # changed rows, of a page or two each, after which the log is written back: some 20 MB
_LEFT = 512  # pages that the loop may write back itself, in a millisecond or two


class Checkpointer:
    """Writes the log back into the database when it has grown; `connection` is the event loop's own.

    A thread does nearly all of it while commits go on. The log begins anew only when nothing of it is left to write
    back, and of what was committed meanwhile something always is: so the loop does that last bit itself.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._task: asyncio.Task[None] | None = None
        self._last = connection.total_changes

    def look(self) -> None:
        """Begin a checkpoint if enough was written since the last one; called after each commit."""
        if self._task is None and self._connection.total_changes - self._last >= _DUE:
            self._last = self._connection.total_changes
            self._task = asyncio.create_task(self._checkpoint())

    async def close(self) -> None:
        """Wait for a checkpoint under way."""
        if self._task is not None:
            await self._task

    async def _checkpoint(self) -> None:
        try:
            if await asyncio.to_thread(_write_back, self._path) <= _LEFT:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            # Imported here: every command opens a store, and hardly one ever checkpoints.
            import structlog

            structlog.get_logger().error("the store's log cannot be written back yet", error=str(error))
        finally:
            self._task = None


def _write_back(path: Path) -> int:
    """Write back what is in the log; return how many pages have come since."""
    # A file that is gone must not be made anew.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        _, in_log, written_back = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(in_log) - int(written_back)
    finally:
        connection.close()
