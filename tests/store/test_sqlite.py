"""The SQLite engine: groups, rollback, durability, other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from zonemint.core.errors import SchemaTooNew, StoreError, StoreUnavailable
from zonemint.store import migrations, sqlite, txt, validations
from zonemint.store.database import Sql, Steps
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.validations import Pending


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest_asyncio.fixture
async def db(path: Path) -> AsyncIterator[SqliteDatabase]:
    db = SqliteDatabase(path)
    yield db
    await db.close()


def put(number: int) -> Steps[int]:
    """Write one row and read it back in the same transaction."""
    yield Sql("INSERT INTO blocked_keys VALUES ($1, $2, 'test')", (f"{number:05}", number))
    rows = yield Sql("SELECT blocked_at FROM blocked_keys WHERE key_hash = $1", (f"{number:05}",))
    found: int = rows[0][0]
    return found


def put_and_fail(number: int, error: BaseException) -> Steps[None]:
    yield from put(number)
    raise error


def numbers() -> Steps[list[int]]:
    rows = yield Sql("SELECT blocked_at FROM blocked_keys ORDER BY blocked_at")
    return [row[0] for row in rows]


def content(path: Path) -> bytes:
    return path.read_bytes()


def on_disk(path: Path) -> list[int]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        return [row[0] for row in other.execute("SELECT blocked_at FROM blocked_keys ORDER BY blocked_at")]


async def test_what_was_written_is_read_at_once_here_and_elsewhere(db: SqliteDatabase, path: Path) -> None:
    for number in range(10):
        assert await db.write(put(number)) == number
        assert (await db.read(numbers()))[-1] == number
        assert on_disk(path)[-1] == number


async def test_an_error_in_one_transaction_of_a_group_undoes_it_and_no_other(db: SqliteDatabase) -> None:
    replies = await asyncio.gather(
        db.write(put(1)),
        db.write(put_and_fail(2, KeyError("ours"))),
        db.write(put(3)),
        db.write(put(1)),
        db.write(put(4)),
        return_exceptions=True,
    )
    assert list(replies[::2]) == [1, 3, 4]
    assert isinstance(replies[1], KeyError)
    assert isinstance(replies[3], StoreError)
    assert await db.read(numbers()) == [1, 3, 4]


async def test_statements_with_a_mistake_are_an_error_of_the_store(db: SqliteDatabase, path: Path) -> None:
    def wrong() -> Steps[None]:
        yield Sql("SELECT * FROM nothing")

    for run in (db.read, db.write):
        with pytest.raises(StoreError, match=path.name):
            await run(wrong())
    assert await db.write(put(1)) == 1


async def test_concurrent_writers_share_commits(db: SqliteDatabase) -> None:
    commits: list[str] = []
    db._connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(db.write(put(number)) for number in range(200)))
    db._connection.set_trace_callback(None)
    assert len(commits) == -(-200 // sqlite._GROUP)
    assert await db.read(numbers()) == list(range(200))


async def test_a_reply_comes_after_its_commit_and_later_writes_wait_for_the_next(
    db: SqliteDatabase, path: Path
) -> None:
    async def write(number: int) -> None:
        await db.write(put(number))
        assert number in on_disk(path)

    await asyncio.gather(*(write(number) for number in range(50)))


async def test_a_writer_that_is_cancelled_disturbs_nobody(db: SqliteDatabase) -> None:
    tasks = [asyncio.create_task(db.write(put(number))) for number in range(5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(replies[2], asyncio.CancelledError)
    assert [reply for reply in replies if isinstance(reply, int)] == [0, 1, 3, 4]


async def test_what_nobody_waits_for_is_written_at_the_end_at_the_latest(path: Path) -> None:
    db = SqliteDatabase(path)
    db.write_soon(put(1))
    db.write_soon(put_and_fail(2, ValueError("dropped")))
    await db.write(put(3))
    assert 1 in on_disk(path)
    db.write_soon(put(4))
    await db.close()
    assert on_disk(path) == [1, 3, 4]


async def test_closing_in_the_middle_of_a_sync_loses_nothing(path: Path) -> None:
    db = SqliteDatabase(path)
    writing = asyncio.create_task(db.write(put(0)))
    await asyncio.sleep(0)
    for number in range(1, 200):
        db.write_soon(put(number))
    await db.close()
    assert await writing == 0
    assert on_disk(path) == list(range(200))


async def test_after_a_failed_sync_nothing_is_told_until_the_file_is_opened_anew(path: Path) -> None:
    db = SqliteDatabase(path)
    await db.write(put(1))
    # No pipe can be synced, so the real call fails as it does for a broken disk.
    reader, writer = os.pipe()
    os.dup2(writer, db._log)
    replies = await asyncio.gather(
        db.write(put(2)), db.write(put(3)), *(db.read(numbers()) for _ in range(3)), return_exceptions=True
    )
    assert [type(reply) for reply in replies[:2]] == [StoreUnavailable] * 2
    for run in (db.write(put(4)), db.read(numbers())):
        with pytest.raises(StoreUnavailable, match="on disk"):
            await run
    db.write_soon(put(5))
    await db.close()
    os.close(reader)
    os.close(writer)
    again = SqliteDatabase(path)
    assert 1 in await again.read(numbers())
    assert await again.write(put(6)) == 6
    await again.close()


async def test_what_writes_nothing_waits_for_no_sync(path: Path) -> None:
    db = SqliteDatabase(path)
    await db.write(put(1))
    reader, writer = os.pipe()
    os.dup2(writer, db._log)
    assert await db.write(numbers()) == [1]
    assert db.failure == ""
    await db.close()
    os.close(reader)
    os.close(writer)


FULL = """
import asyncio, pathlib, resource, signal, sys
from zonemint.core.errors import StoreUnavailable
from zonemint.store.database import Sql
from zonemint.store.sqlite import SqliteDatabase

def put(number, octets):
    yield Sql("INSERT INTO blocked_keys VALUES ($1, $2, $3)", (str(number), number, "x" * octets))

def numbers():
    rows = yield Sql("SELECT blocked_at FROM blocked_keys ORDER BY blocked_at")
    return [row[0] for row in rows]

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    db = SqliteDatabase(pathlib.Path(sys.argv[1]))
    await db.write(put(0, 1))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    kept = [0]
    for start in range(1, 41, 8):
        group = range(start, start + 8)
        sizes = [4_000_000 if number % 8 == 3 else 5_000 for number in group]
        tried = (db.write(put(number, size)) for number, size in zip(group, sizes))
        replies = await asyncio.gather(*tried, return_exceptions=True)
        assert all(reply is None or isinstance(reply, StoreUnavailable) for reply in replies), replies
        kept += [number for number, reply in zip(group, replies) if reply is None]
        assert await db.read(numbers()) == kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await db.write(put(100, 1))
    assert await db.read(numbers()) == [*kept, 100]
    assert len(kept) < 41
    await db.close()

asyncio.run(main())
"""


def test_a_full_disk_refuses_writes_and_no_more_than_that(path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, run.stderr


async def test_a_write_lock_of_another_process_only_delays(db: SqliteDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO blocked_keys VALUES ('other', 0, 'test')")
        waiting = [asyncio.create_task(db.write(put(number))) for number in (1, 2)]
        release = threading.Timer(0.2, lambda: other.execute("COMMIT"))
        release.start()
        # The loop goes on meanwhile, and so do reads.
        assert await db.read(numbers()) == []
        assert await asyncio.gather(*waiting) == [1, 2]
        release.join()
    assert on_disk(path) == [0, 1, 2]


async def test_a_write_lock_that_never_ends_is_an_error(
    db: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LOCK_PATIENCE", 0.02)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        replies = await asyncio.gather(db.write(put(1)), db.write(put(2)), return_exceptions=True)
        assert [type(reply) for reply in replies] == [StoreUnavailable] * 2
        other.execute("ROLLBACK")
    assert await db.write(put(3)) == 3


async def test_the_version_changes_with_other_processes_writes_and_not_with_ours(
    db: SqliteDatabase, path: Path
) -> None:
    before = db.version()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("INSERT INTO blocked_keys VALUES ('other', 9, 'test')")
    assert db.version() != before
    assert await db.read(numbers()) == [9]


async def test_a_newer_schema_is_left_alone(path: Path) -> None:
    await SqliteDatabase(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("INSERT INTO schema_versions VALUES (9999, 0)")
    before = content(path)
    with pytest.raises(SchemaTooNew, match="9999"):
        SqliteDatabase(path)
    assert content(path) == before


def test_two_openers_of_a_new_file_migrate_it_once(path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from zonemint.store.sqlite import SqliteDatabase\n"
        "async def main():\n    await SqliteDatabase(pathlib.Path(sys.argv[1])).close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(child.communicate(timeout=30)[1], child.returncode) for child in children] == [("", 0)] * 3
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM schema_versions").fetchone() == (len(migrations.after(0, "sqlite")),)


async def test_the_files_are_their_owners_only(db: SqliteDatabase, path: Path) -> None:
    await db.write(put(1))
    files = list(path.parent.glob(f"{path.name}*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_file_that_is_no_store_is_an_error_that_names_it(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match=path.name):
        SqliteDatabase(path)


def test_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        SqliteDatabase(tmp_path / "missing" / "store.db")


WRITER = """
import asyncio, pathlib, sys
from zonemint.store.database import Sql
from zonemint.store.sqlite import SqliteDatabase

def put(number):
    yield Sql("INSERT INTO blocked_keys VALUES ($1, $2, 'test')", (str(number), number))

async def main():
    db = SqliteDatabase(pathlib.Path(sys.argv[1]))
    async def write(number):
        await db.write(put(number))
        print(number, flush=True)
    for start in range(0, 10**6, 8):
        await asyncio.gather(*(write(start + n) for n in range(8)))

asyncio.run(main())
"""


def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(100)]
    os.kill(child.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.stdout.close()
    assert child.wait(timeout=10) == -signal.SIGKILL
    found = on_disk(path)
    assert set(acknowledged) <= set(found)
    # What was written and not yet acknowledged is a group at most, and whole.
    assert len(found) - len(acknowledged) <= 8


async def test_a_validation_needs_its_authorization(db: SqliteDatabase) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await db.write(validations.add(Pending("nothing", "dns-01"), now=1, holder="test", until_ms=0))
    assert await db.write(validations.take("test", now_ms=1, until_ms=2, limit=1)) == []


async def test_a_value_needs_its_account(db: SqliteDatabase) -> None:
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        await db.write(txt.put("nobody", "x" * 43, now_ms=1, source="test", keep=2))
