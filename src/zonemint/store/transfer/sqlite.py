"""SQLite at both ends of a copy: a read transaction on a connection of its own, and a new file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.store import sqlite_schema
from zonemint.store.database import Lock, Row, Rows, Steps
from zonemint.store.tables import Table
from zonemint.store.transfer.ends import BATCH, Progress, Sizes, TableSize, converted

__all__ = ["SqliteSnapshot", "SqliteTarget", "damages", "export", "opened", "snapshot", "target", "vacuum"]

T = TypeVar("T")

_PATIENCE = 10.0  # seconds for a lock that another process holds
_LOOK = 0.1  # seconds between looks at how far a copy is
_SHOWN = 20  # of what is damaged


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that is there, and close it; raises StoreError, StoreUnavailable."""
    with _translated(path):
        if not path.exists():
            raise StoreError(f"{path}: there is no store; `zonemint init` or `zonemint up` makes one")
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # What was written to a file by others may claim to be a function or a table: it is not run.
            db.execute("PRAGMA trusted_schema = OFF")
            yield db
        finally:
            db.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Say which file an error is about: in a copy there are two."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path}: the store cannot answer: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


class SqliteSnapshot:
    """See Snapshot; made by `snapshot`."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self.engine = f"SQLite {sqlite3.sqlite_version}"
        self.schema = sqlite_schema.version(db)

    async def read(self, steps: Steps[T]) -> T:
        """See Snapshot.read."""
        rows: Rows = ()
        try:
            step = next(steps)
            while True:
                if not isinstance(step, Lock):
                    with _translated(self._path):
                        rows = self._db.execute(step.text.replace("$", "?"), step.args).fetchall()
                step = steps.send(rows)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """See Snapshot.rows."""
        async for batch in _rows(self._path, self._db, table):
            yield batch

    async def sizes(self) -> Sizes:
        """See Snapshot.sizes; bytes of tables need SQLite's `dbstat`, which not each build has."""
        names = [name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        used: dict[str, int] = {}
        with suppress(sqlite3.OperationalError):
            used = dict(
                self._db.execute(
                    "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_master ON sqlite_master.name = dbstat.name "
                    "WHERE aggregate = TRUE GROUP BY tbl_name"
                )
            )
        found = [
            TableSize(name, self._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0], used.get(name))
            for name in sorted(names)
            if not name.startswith("sqlite_")
        ]
        page, free = (self._db.execute(f"PRAGMA {one}").fetchone()[0] for one in ("page_size", "freelist_count"))
        return Sizes(found, self._path.stat().st_size, _size(Path(f"{self._path}-wal")), page * free)

    async def damages(self) -> list[str]:
        """See Snapshot.damages."""
        return await asyncio.to_thread(damages, self._db)


def damages(db: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the pages of a file and the references between its rows."""
    try:
        found = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({_SHOWN})") if row[0] != "ok"]
        for child, rowid, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(_SHOWN):
            which = "a row" if rowid is None else f"row {rowid}"
            found.append(f"{which} of {child} refers to one of {parent} that is not there")
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return found


@asynccontextmanager
async def snapshot(path: Path) -> AsyncIterator[SqliteSnapshot]:
    """See the store as it is now; raises StoreError, StoreUnavailable."""
    with opened(path) as db:
        # The transaction begins with what it reads first.
        db.execute("BEGIN")
        yield SqliteSnapshot(path, db)


class SqliteTarget:
    """See Target; made by `target`."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See Target.insert."""
        values = ", ".join("?" * len(table.columns))
        with _translated(self._path):
            self._db.executemany(f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({values})", rows)

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """See Target.rows."""
        async for batch in _rows(self._path, self._db, table):
            yield batch


@asynccontextmanager
async def target(path: Path) -> AsyncIterator[SqliteTarget]:
    """Make a file (0600) with the newest schema and put it in place when all went well; raises StoreError."""
    if _size(path) is not None:
        raise StoreError(f"{path}: there is a file already, and a copy goes into a new one: move it away first")
    half = path.with_name(f".{path.name}.new")
    try:
        _make_empty(half)
        with opened(half) as db:
            # Nobody sees the file before it is whole, so it needs no journal; it is synced as a whole at the end.
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            sqlite_schema.migrate(db)
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN")
            yield SqliteTarget(path, db)
            db.execute("COMMIT")
        _put(half, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(half)


async def export(path: Path, file: Path, progress: Progress) -> None:
    """Write what a store is now into a new file (0600): of the same schema, and with nothing of what was deleted.

    One read transaction, beside all writers. Raises StoreError, StoreUnavailable.
    """
    with opened(path) as db:
        page, pages, free = (
            db.execute(f"PRAGMA {one}").fetchone()[0] for one in ("page_size", "page_count", "freelist_count")
        )
        total = page * (pages - free)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))
        work = asyncio.create_task(asyncio.to_thread(db.execute, "VACUUM INTO ?", (str(file),)))
        try:
            while not (await asyncio.wait([work], timeout=_LOOK))[0]:
                progress("copying the store", min(_size(file) or 0, total), total)
        except BaseException:
            # Whoever is told to stop does not wait for the rest, and the connection is closed when nobody works on it.
            db.interrupt()
            await asyncio.wait([work])
            work.exception()
            raise
        work.result()


def vacuum(path: Path) -> tuple[int, int]:
    """Write the file anew without what is free, and count its rows for the planner; return its bytes before and after.

    Nothing can be written meanwhile. Raises StoreError, StoreUnavailable.
    """
    with opened(path) as db:
        before = path.stat().st_size
        db.execute("VACUUM")
        db.execute("ANALYZE")
        # Until the log is written back, the file is as it was.
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return before, path.stat().st_size


async def _rows(path: Path, db: sqlite3.Connection, table: Table) -> AsyncIterator[list[Row]]:
    with _translated(path):
        cursor = db.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")
    while batch := _fetched(path, cursor):
        yield converted(table, batch)


def _fetched(path: Path, cursor: sqlite3.Cursor) -> list[Row]:
    with _translated(path):
        return cursor.fetchmany(BATCH)


def _make_empty(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_EXCL, 0o600))


def _put(half: Path, file: Path) -> None:
    with half.open("rb") as written:
        os.fsync(written.fileno())
    half.rename(file)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
