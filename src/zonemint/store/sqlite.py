"""SQLite: statements run on the event loop, commits on a thread, and concurrent writers share one fsync.

A statement costs microseconds and a durable commit milliseconds. So transactions that are queued while a commit
is under way run as one group right after it, each in a savepoint of its own, and the next commit carries them all.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.store import migrations
from zonemint.store.database import Sql, Steps

__all__ = ["SqliteDatabase"]

T = TypeVar("T")

_GROUP = 64  # transactions in one commit: bounds how long the loop runs SQL at a stretch
_LOCK_RETRY = 0.004  # seconds between tries while another process holds the write lock
_LOCK_PATIENCE = 10.0  # seconds until a held write lock is an error
_SOON = 0.25  # seconds that `write_soon` may wait for company
_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

_texts: dict[str, str] = {}


class SqliteDatabase:
    """One SQLite file in WAL mode: a connection that reads, one that writes, and a thread that commits.

    All calls come from the event loop's thread, that of the loop running when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _create_private(path)
        self._writer = _connect(path)
        try:
            migrations.migrate(self._writer)
        except BaseException:
            self._writer.close()
            raise
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Steps[Any], asyncio.Future[Any] | None]] = deque()
        self._later: deque[Steps[object]] = deque()
        self._busy = False
        self._in_group = False
        self._version = 0
        self._look_for_others()
        self._lock_deadline = 0.0
        self._soon: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._commits: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._commit_thread, name="sqlite-commit", daemon=True)
        self._thread.start()

    def read_now(self, steps: Steps[T]) -> T:
        """Run a read transaction on the spot; each statement sees the newest commit."""
        try:
            # Between groups the writer sees what the reader does, and has the pages that it wrote in its cache.
            return _drive(self._reader if self._in_group else self._writer, steps)
        except sqlite3.Error as error:
            raise _translated(error, self._path) from error

    async def read(self, steps: Steps[T]) -> T:
        """See Database.read."""
        return self.read_now(steps)

    async def write(self, steps: Steps[T]) -> T:
        """See Database.write."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.append((steps, future))
        self._wake()
        return await future

    def write_soon(self, steps: Steps[object]) -> None:
        """See Database.write_soon."""
        self._later.append(steps)
        if self._soon is None:
            self._soon = self._loop.call_later(_SOON, self._wake)

    def version(self) -> int:
        """Return a number that changes when another process has committed to the file."""
        if not self._in_group:
            self._look_for_others()
        return self._version

    async def close(self) -> None:
        """See Database.close."""
        if self._later:
            self._wake()
        await self._idle.wait()
        self._commits.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            self._idle.clear()
            # Not at once: whoever is ready in this turn of the loop joins the group.
            self._loop.call_soon(self._run_group)

    def _run_group(self) -> None:
        """Run the queued transactions inside one SQLite transaction and hand its commit to the thread."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._queue and not self._later:
            self._rest()
            return
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock_failed(error)
            return
        self._in_group = True
        self._lock_deadline = 0.0
        self._look_for_others()
        group: list[tuple[Steps[Any], asyncio.Future[Any] | None]] = []
        while self._queue and len(group) < _GROUP:
            group.append(self._queue.popleft())
        while self._later and len(group) < _GROUP:
            group.append((self._later.popleft(), None))
        alone = len(group) == 1
        results = [(future, *self._run_one(steps, alone=alone)) for steps, future in group]
        self._commits.put(lambda: self._commit(results))

    def _run_one(self, steps: Steps[Any], *, alone: bool) -> tuple[Any, BaseException | None]:
        """Run one transaction, in a savepoint unless it is alone; return its result or its error, undone."""
        execute = self._writer.execute
        try:
            if alone:
                return _drive(self._writer, steps), None
            execute("SAVEPOINT one")
            result = _drive(self._writer, steps)
            execute("RELEASE one")
        except BaseException as error:
            try:
                if alone:
                    execute("ROLLBACK")
                    execute("BEGIN")
                else:
                    execute("ROLLBACK TO one")
                    execute("RELEASE one")
            except sqlite3.Error:
                pass  # a full disk or an I/O error ended the whole transaction; the commit will say so
            return None, _translated(error, self._path) if isinstance(error, sqlite3.Error) else error
        return result, None

    def _commit_thread(self) -> None:
        while (job := self._commits.get()) is not None:
            job()

    def _commit(self, results: list[tuple[asyncio.Future[Any] | None, Any, BaseException | None]]) -> None:
        """Commit on the thread and tell the loop."""
        failure: StoreError | None = None
        try:
            if self._writer.in_transaction:
                self._writer.execute("COMMIT")
            else:
                failure = StoreUnavailable(f"{self._path}: the transaction was ended by a disk error")
        except sqlite3.Error as error:
            failure = _translated(error, self._path)
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        self._loop.call_soon_threadsafe(self._committed, results, failure)

    def _committed(
        self,
        results: list[tuple[asyncio.Future[Any] | None, Any, BaseException | None]],
        failure: StoreError | None,
    ) -> None:
        self._in_group = False
        for future, result, error in results:
            if future is None or future.done():
                continue
            if error is not None or failure is not None:
                future.set_exception(error or failure or StoreError("unknown"))
            else:
                future.set_result(result)
        if self._queue:
            self._run_group()
        else:
            self._rest()

    def _rest(self) -> None:
        self._busy = False
        if self._later and self._soon is None:
            self._soon = self._loop.call_later(_SOON, self._wake)
        self._idle.set()

    def _look_for_others(self) -> None:
        self._version = self._writer.execute("PRAGMA data_version").fetchone()[0]

    def _lock_failed(self, error: sqlite3.Error) -> None:
        """Try again soon while another process writes; give up with an error when it never ends."""
        now = time.monotonic()
        self._lock_deadline = self._lock_deadline or now + _LOCK_PATIENCE
        if _code(error) in _BUSY_CODES and now < self._lock_deadline:
            self._loop.call_later(_LOCK_RETRY, self._run_group)
            return
        self._lock_deadline = 0.0
        failure = _translated(error, self._path)
        self._later.clear()
        while self._queue:
            _, future = self._queue.popleft()
            if future is not None and not future.done():
                future.set_exception(failure)
        self._rest()


def _drive(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Run a transaction's statements one after the other and return its result."""
    execute = connection.execute
    try:
        sql = next(steps)
        while True:
            sql = steps.send(execute(_text(sql), sql.args).fetchall())
    except StopIteration as stop:
        result: T = stop.value
        return result


def _text(sql: Sql) -> str:
    """Write `$1` as SQLite's `?1`; the statements are few and constant, so each is rewritten once."""
    text = _texts.get(sql.text)
    if text is None:
        text = _texts[sql.text] = sql.text.replace("$", "?")
    return text


def _create_private(path: Path) -> None:
    """Make the file readable by its owner only; SQLite gives its -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: cannot open the store: {error.strerror}") from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=_LOCK_PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # A page that changes often is written back once for each checkpoint: let these be rare.
        connection.execute("PRAGMA wal_autocheckpoint = 8192")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # From here on a wait for a lock would stop the event loop, so the engine never waits inside SQLite.
        connection.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        raise _translated(error, path) from error
    return connection


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translated(error: sqlite3.Error, path: Path) -> StoreError:
    if isinstance(error, sqlite3.OperationalError):
        return StoreUnavailable(f"{path}: the store cannot answer: {error}")
    return StoreError(f"{path}: {error}")
