"""SQLite: statements run on the event loop, a thread makes them durable, and concurrent writers share one sync.

A statement costs microseconds, and so does a commit that only writes; the sync that makes it last costs a
millisecond. So the loop runs and commits transactions, and a thread syncs the log after each commit. Transactions
that are queued meanwhile run as one group, each in a savepoint of its own, and the next sync is for all of them.
Whoever waits for a transaction, or reads what one has written, goes on when it is on disk.

A disk that is full, or fails a write, undoes the group, and the next may go well. When a sync has failed, nobody knows
what of the log is on disk, and a later sync may succeed without it; when a page is damaged, others may be: the store
then answers no more until it is opened anew.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.store import sqlite_schema
from zonemint.store.checkpoint import Checkpointer
from zonemint.store.database import Lock, Sql, Steps
from zonemint.store.sqlite_errors import Meaning, meaning, translated

__all__ = ["SqliteDatabase"]

T = TypeVar("T")

_GROUP = 64  # transactions in one commit: bounds how long the loop runs SQL at a stretch
_LOCK_RETRY = 0.004  # seconds between tries while another process holds the write lock
_LOCK_PATIENCE = 10.0  # seconds until a held write lock is an error
_SOON = 0.25  # seconds that `write_soon` may wait for company

_texts: dict[str, str] = {}
# Where there is no fdatasync, fsync does what it does and more.
_sync = getattr(os, "fdatasync", os.fsync)

_Outcome = tuple["asyncio.Future[Any] | None", Any, BaseException | None]


class SqliteDatabase:
    """One SQLite file in WAL mode: a connection on the event loop, and a thread that syncs its log.

    All calls come from the event loop's thread, that of the loop running when it was opened.

    failure: why the store cannot answer now, or an empty text.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _create_private(path)
        self._connection = _connect(path)
        try:
            sqlite_schema.migrate(self._connection)
            # The connection keeps this file for as long as it is open; to look at the schema has made it.
            self._log = _open_log(path)
        except BaseException:
            self._connection.close()
            raise
        self._identity = _identity(path)
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Steps[Any], asyncio.Future[Any] | None]] = deque()
        self._later: deque[Steps[object]] = deque()
        self._busy = False
        self._syncing = False
        self._readers: list[asyncio.Future[None]] = []
        self._lock_deadline = 0.0
        self._soon: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.failure = ""
        self._is_over = False  # until it is opened anew
        self._checkpointer = Checkpointer(path, self._connection)
        self._syncs: queue.SimpleQueue[list[_Outcome] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._sync_thread, name="sqlite-sync", daemon=True)
        self._thread.start()

    def read_now(self, steps: Steps[T]) -> T:
        """Run a read transaction on the spot; each statement sees the newest commit, on disk already or nearly so.

        Raises StoreUnavailable.
        """
        if self._is_over:
            raise StoreUnavailable(self.failure)
        try:
            return _drive(self._connection, steps)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise self._understood(error) from error

    async def read(self, steps: Steps[T]) -> T:
        """See Database.read."""
        found = self.read_now(steps)
        if self._syncing:
            # What was found may be what is being synced: nobody is told before it lasts.
            durable: asyncio.Future[None] = self._loop.create_future()
            self._readers.append(durable)
            await durable
        return found

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
        """Return a number that changes when another process has committed to the file; raises StoreUnavailable."""
        try:
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise self._understood(error) from error
        return version

    def look(self) -> None:
        """Refuse from now on if the file is no longer there, since what was written to it then would be lost.

        After a failure, see whether a write succeeds again. To be called now and then.
        """
        if self._is_over:
            return
        if _identity(self._path) != self._identity:
            why = f"{self._path}: the file was removed or replaced while it was in use: restore it and start again"
            self._found(why, is_over=True)
        elif self.failure:
            self._queue.append((_probe(), None))
            self._wake()

    async def close(self) -> None:
        """See Database.close."""
        while self._busy or self._later:
            self._wake()
            await self._idle.wait()
        self._syncs.put(None)
        await asyncio.to_thread(self._thread.join)
        await self._checkpointer.close()
        self._connection.close()
        os.close(self._log)

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            self._idle.clear()
            # Not at once: whoever is ready in this turn of the loop joins the group.
            self._loop.call_soon(self._run_group)

    def _run_group(self) -> None:
        """Run the queued transactions inside one SQLite transaction, commit it, and have it synced."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if not self._queue and not self._later:
            self._rest()
            return
        if self._is_over:
            self._give_up(StoreUnavailable(self.failure))
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock_failed(error)
            return
        self._lock_deadline = 0.0
        group: list[tuple[Steps[Any], asyncio.Future[Any] | None]] = []
        while self._queue and len(group) < _GROUP:
            group.append(self._queue.popleft())
        while self._later and len(group) < _GROUP:
            group.append((self._later.popleft(), None))
        alone = len(group) == 1
        before = self._connection.total_changes
        outcomes = [(future, *self._run_one(steps, alone=alone)) for steps, future in group]
        if (failure := self._commit()) is not None:
            self._settled(outcomes, failure)
        elif self._connection.total_changes == before:
            # Nothing was written, so nothing has to last, and no sync of it can fail.
            self._settled(outcomes, None)
        else:
            self._syncing = True
            self._syncs.put(outcomes)

    def _run_one(self, steps: Steps[Any], *, alone: bool) -> tuple[Any, BaseException | None]:
        """Run one transaction, in a savepoint unless it is alone; return its result or its error, undone."""
        execute = self._connection.execute
        if not self._connection.in_transaction:
            # A disk error in one before this one ended all of it; here a savepoint would be a transaction of its own.
            return None, StoreUnavailable(f"{self._path}: the transaction was ended by a disk error")
        try:
            if alone:
                return _drive(self._connection, steps), None
            execute("SAVEPOINT one")
            result = _drive(self._connection, steps)
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
            return None, self._understood(error) if isinstance(error, (sqlite3.Error, msgspec.DecodeError)) else error
        return result, None

    def _commit(self) -> StoreError | None:
        """Write the group to the log; return why not, if that failed."""
        try:
            if not self._connection.in_transaction:
                return StoreUnavailable(f"{self._path}: the transaction was ended by a disk error")
            # What stands beside a damaged page is not written.
            self._connection.execute("ROLLBACK" if self._is_over else "COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            return self._understood(error)
        if self._is_over:
            return StoreUnavailable(self.failure)
        return None

    def _sync_thread(self) -> None:
        while (outcomes := self._syncs.get()) is not None:
            failure = ""
            try:
                _sync(self._log)
            except OSError as error:
                failure = f"{self._path}: what was written may not be on disk ({error.strerror}): start again"
            self._loop.call_soon_threadsafe(self._synced, outcomes, failure)

    def _synced(self, outcomes: list[_Outcome], failure: str) -> None:
        if failure:
            self._found(failure, is_over=True)
        elif not any(isinstance(error, StoreUnavailable) for _, _, error in outcomes):
            self._found("")
        self._settled(outcomes, StoreUnavailable(failure) if failure else None)

    def _settled(self, outcomes: list[_Outcome], failure: StoreError | None) -> None:
        """Tell everybody who waits for a group, and run the next one."""
        self._syncing = False
        for future, result, error in outcomes:
            if future is None or future.done():
                continue
            if error is not None or failure is not None:
                future.set_exception(error or failure or StoreError("unknown"))
            else:
                future.set_result(result)
        readers, self._readers = self._readers, []
        for reader in readers:
            if not reader.done():
                if failure is None:
                    reader.set_result(None)
                else:
                    reader.set_exception(failure)
        if not self._is_over:
            self._checkpointer.look()
        if self._queue:
            self._run_group()
        else:
            self._rest()

    def _rest(self) -> None:
        self._busy = False
        if self._later and self._soon is None:
            self._soon = self._loop.call_later(_SOON, self._wake)
        self._idle.set()

    def _lock_failed(self, error: sqlite3.Error) -> None:
        """Try again soon while another process writes; give up with an error when it never ends."""
        now = time.monotonic()
        self._lock_deadline = self._lock_deadline or now + _LOCK_PATIENCE
        if meaning(error) is Meaning.BUSY and now < self._lock_deadline:
            self._loop.call_later(_LOCK_RETRY, self._run_group)
            return
        self._lock_deadline = 0.0
        failure = self._understood(error)
        self._found(str(failure))
        self._give_up(failure)

    def _give_up(self, failure: StoreError) -> None:
        """Fail everything that is queued."""
        waiting: list[_Outcome] = [(future, None, None) for _, future in self._queue]
        self._queue.clear()
        self._later.clear()
        self._settled(waiting, failure)

    def _understood(self, error: sqlite3.Error | msgspec.DecodeError) -> StoreError:
        """Translate an error, and take note of what it says about the store."""
        if isinstance(error, msgspec.DecodeError):
            return StoreUnavailable(f"{self._path}: a row makes no sense ({error}): look whether the file is damaged")
        ours = translated(error, self._path)
        if (means := meaning(error)) in (Meaning.DISK, Meaning.DAMAGE):
            self._found(str(ours), is_over=means is Meaning.DAMAGE)
        return ours

    def _found(self, failure: str, *, is_over: bool = False) -> None:
        """Note that the store cannot answer, for now or until it is opened anew, or that it can again."""
        if not self._is_over:
            self.failure, self._is_over = failure, is_over


def _probe() -> Steps[None]:
    """Write a page, and leave in the store what is there."""
    yield Sql("INSERT INTO schema_versions VALUES (-1, 0)")
    yield Sql("DELETE FROM schema_versions WHERE version = -1")


def _drive(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Run a transaction's statements one after the other and return its result."""
    execute = connection.execute
    try:
        step = next(steps)
        while True:
            # Who writes is alone already, so a lock is had at once.
            step = steps.send(() if isinstance(step, Lock) else execute(_text(step), step.args).fetchall())
    except StopIteration as stop:
        result: T = stop.value
        return result


def _text(sql: Sql) -> str:
    """Write `$1` as SQLite's `?1`, and nothing of row locks; there are few statements, so each is rewritten once."""
    text = _texts.get(sql.text)
    if text is None:
        text = _texts[sql.text] = sql.text.replace("$", "?").replace(" FOR UPDATE SKIP LOCKED", "")
    return text


def _create_private(path: Path) -> None:
    """Make the file readable by its owner only; SQLite gives its -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # Not opened, for to close it would end the locks that another connection of this process has on it.
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot open the store: {error.strerror}") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_log(path: Path) -> int:
    try:
        return os.open(f"{path}-wal", os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{path}-wal: cannot open the store's log: {error.strerror}") from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=_LOCK_PATIENCE, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # The log is synced by us, after the commit; SQLite itself syncs it before a checkpoint.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        # From here on a wait for a lock would stop the event loop, so the engine never waits inside SQLite.
        connection.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return connection
