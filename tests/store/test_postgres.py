"""The PostgreSQL engine: what becomes of requests while the server is killed, refuses, is slow, or is another one."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.postgres import Postgres, query, started
from zonemint.core.errors import SchemaTooNew, StoreError, StoreUnavailable
from zonemint.store import migrations, postgres_schema
from zonemint.store.database import Lock, Rows, Sql, Steps
from zonemint.store.opening import open_store
from zonemint.store.postgres import PostgresDatabase


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresDatabase]:
    db = await PostgresDatabase.open(url)
    try:
        yield db
    finally:
        await db.close()


def put(number: int) -> Steps[None]:
    yield Sql("INSERT INTO blocked_keys (key_hash, blocked_at, reason) VALUES ($1, $2, 'test')", (str(number), number))


def numbers() -> Steps[list[int]]:
    rows = yield Sql("SELECT blocked_at FROM blocked_keys ORDER BY blocked_at")
    return [row[0] for row in rows]


async def until_locked(url: str) -> None:
    """Wait until somebody holds a lock by name, or that of migrations."""
    held = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database WHERE datname = $1 AND granted"
    async with asyncio.timeout(20):
        while query(url, f"{held} AND locktype = 'advisory'", url.rpartition("/")[2]) == [(0,)]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def again(db: PostgresDatabase, seconds: float = 20) -> None:
    """Wait until the store works again, as a client does that tries again."""
    end = time.monotonic() + seconds
    while True:
        try:
            await db.write(numbers())
        except StoreUnavailable:
            assert time.monotonic() < end, db.failure
            await asyncio.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
async def test_it_comes_back_by_itself_after_the_server(own: Postgres, number: signal.Signals) -> None:
    async with opened(own.database()) as db:
        await db.write(put(1))
        own.stop(number)
        with pytest.raises(StoreUnavailable):
            await db.write(put(2))
        # Nobody waits for a time-out that others have waited for.
        async with asyncio.timeout(5):
            while not db.failure:  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.01)
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(StoreUnavailable, match=r"postgresql://zonemint@127\.0\.0\.1"):
                await db.read(numbers())
        assert time.monotonic() - began < 3
        own.start()
        await again(db)
        assert db.failure == ""
        await db.write(put(3))
        assert await db.read(numbers()) == [1, 3]


async def test_connections_that_broke_while_nobody_used_them_are_replaced_unseen(postgres: Postgres) -> None:
    url = postgres.database()
    async with opened(url) as db:
        await asyncio.gather(*(db.write(put(number)) for number in range(20)))
        name = url.rpartition("/")[2]
        kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        for number in range(20, 30):
            postgres.sql(kill)
            await db.write(put(number))
            postgres.sql(kill)
            assert number in await db.read(numbers())


async def test_a_transaction_that_is_cut_off_is_not_half_done(postgres: Postgres) -> None:
    url = postgres.database()
    async with opened(url) as db:

        def cut_off() -> Steps[None]:
            yield from put(1)
            yield Sql("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(StoreUnavailable):
            await db.write(cut_off())
        assert await db.read(numbers()) == []
        await db.write(put(2))
        assert await db.read(numbers()) == [2]


async def test_one_that_waits_too_long_is_told_so_and_holds_up_no_other(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zonemint.store.postgres._PATIENCE", 0.3)
    async with opened(postgres.database()) as db:

        def slow() -> Steps[None]:
            yield Sql("SELECT pg_sleep(5)")

        with pytest.raises(StoreUnavailable, match="in time"):
            await db.write(slow())
        await again(db)
        await db.write(put(1))
        assert await db.read(numbers()) == [1]


async def test_who_reads_does_not_wait_for_those_who_wait_for_a_lock(postgres: Postgres) -> None:
    url = postgres.database()
    async with opened(url) as db:

        def wait() -> Steps[None]:
            yield Lock("held")

        hold = "SELECT pg_advisory_lock(hashtextextended('held', 0)), pg_sleep(3)"
        holder = asyncio.create_task(asyncio.to_thread(query, url, hold))
        await until_locked(url)
        writers = [asyncio.create_task(db.write(wait())) for _ in range(20)]
        await asyncio.sleep(0.2)
        for _ in range(20):
            assert await db.read(numbers()) == []
        assert not any(one.done() for one in (holder, *writers))
        await asyncio.gather(holder, *writers)


async def test_a_request_that_is_given_up_leaves_nothing_behind(postgres: Postgres) -> None:
    async with opened(postgres.database()) as db:

        def put_and_wait() -> Steps[None]:
            yield from put(1)
            yield Sql("SELECT pg_sleep(30)")

        tasks = [asyncio.create_task(db.write(put_and_wait())) for _ in range(8)]
        await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await asyncio.gather(*(db.write(put(number)) for number in range(2, 30)))
        assert await db.read(numbers()) == list(range(2, 30))


async def test_a_column_that_another_node_changes_is_a_moment_of_unavailability(postgres: Postgres) -> None:
    url = postgres.database()

    def look() -> Steps[Rows]:
        yield from numbers()
        return (yield Sql("SELECT ttl FROM records"))

    async with opened(url) as db:
        await asyncio.gather(*(db.write(look()) for _ in range(8)))
        query(url, "ALTER TABLE records ALTER COLUMN ttl TYPE BIGINT")
        with pytest.raises(StoreUnavailable):
            await db.write(look())
        for _ in range(8):
            assert await db.write(look()) == []


async def test_a_full_disk_refuses_writes_until_there_is_room(postgres: Postgres) -> None:
    async with opened(postgres.database()) as db:

        def full() -> Steps[None]:
            yield Sql("DO $$BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END$$")

        with pytest.raises(StoreUnavailable, match="No space left"):
            await db.write(full())
        await again(db)


async def test_two_losers_of_a_deadlock_are_told_to_try_again(postgres: Postgres) -> None:
    async with opened(postgres.database()) as db:
        await db.write(put(1))
        await db.write(put(2))
        met = asyncio.Barrier(2)

        def touch(number: int) -> Sql:
            return Sql("UPDATE blocked_keys SET reason = 'x' WHERE key_hash = $1", (str(number),))

        async def transaction(first: int, second: int) -> None:
            def steps() -> Steps[None]:
                yield touch(first)
                yield Sql("SELECT pg_sleep(0.3)")
                yield touch(second)

            await met.wait()
            await db.write(steps())

        done = await asyncio.gather(transaction(1, 2), transaction(2, 1), return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["NoneType", "StoreUnavailable"]


async def test_it_goes_over_to_the_host_that_takes_writes(own: Postgres) -> None:
    """The first host of the URL takes none, as a standby; then the other one is gone, and the standby is promoted."""
    first = own.database()
    name, host = first.rpartition("/")[2], first.partition("@")[2].partition("/")[0]
    with started() as standby:
        if standby.programs is None:
            pytest.skip("a second server is needed, of our own")
        standby.sql(f"CREATE DATABASE {name}")
        second = standby.url.replace("/postgres", f"/{name}")
        async with opened(second):
            standby.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        async with opened(f"postgresql://zonemint@127.0.0.1:{standby.port},{host}/{name}") as db:
            await db.write(put(1))
            assert query(first, "SELECT blocked_at FROM blocked_keys") == [(1,)]
            standby.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            own.stop()
            await again(db)
            await db.write(put(2))
        # The driver says good-bye to the hosts that it did not choose in tasks of its own.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others)
        await asyncio.sleep(0.1)
        assert query(second, "SELECT blocked_at FROM blocked_keys") == [(2,)]


async def test_what_cannot_be_opened_is_one_line_without_the_password(postgres: Postgres, tmp_path: Path) -> None:
    host = postgres.url.partition("@")[2].partition("/")[0]
    for url in (
        "postgresql://u:secret@127.0.0.1:1/zonemint",
        f"postgresql://u:secret@{host}/zonemint",
        f"postgresql://zonemint:secret@{host}/nosuchdatabase",
    ):
        with pytest.raises(StoreError) as refused:
            await open_store(url, tmp_path, patience=0 if ":1/" in url else 30)
        # Only what may pass by itself is waited for.
        assert isinstance(refused.value, StoreUnavailable) == (":1/" in url)
        assert "secret" not in str(refused.value)
        assert "***" in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


async def test_a_newer_schema_is_refused_and_left_alone(postgres: Postgres) -> None:
    url = postgres.database()
    async with opened(url):
        pass
    query(url, "INSERT INTO schema_versions VALUES (9999, 0)")
    with pytest.raises(SchemaTooNew, match="9999"):
        await PostgresDatabase.open(url)


async def test_nodes_that_start_at_once_migrate_once(postgres: Postgres) -> None:
    url = postgres.database()
    for one in await asyncio.gather(*(PostgresDatabase.open(url) for _ in range(5))):
        await one.close()
    count = len(migrations.after(0, "postgresql"))
    assert query(url, "SELECT count(*) FROM schema_versions") == [(count,)]


async def test_a_migration_takes_its_time_and_so_does_the_wait_for_one(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zonemint.store.postgres_connection._STATEMENT", 300)
    url = postgres.database()
    slow = asyncio.create_task(
        asyncio.to_thread(query, url, "SELECT pg_advisory_lock($1), pg_sleep(1.5)", postgres_schema._LOCK)
    )
    await until_locked(url)
    async with opened(url) as db:
        assert await db.read(numbers()) == []
    await slow


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(postgres: Postgres) -> None:
    url = postgres.database()
    query(url, "CREATE TABLE leases (something TEXT)")
    with pytest.raises(StoreError, match="leases"):
        await PostgresDatabase.open(url)
    tables = query(url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert tables == [("leases",)]


async def test_a_commit_lasts_even_where_the_server_is_told_otherwise(postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")

    def setting() -> Steps[str]:
        rows = yield Sql("SELECT current_setting('synchronous_commit')")
        found: str = rows[0][0]
        return found

    async with opened(url) as db:
        assert await db.write(setting()) == "on"


async def test_nodes_are_told_of_changes_and_of_silence(own: Postgres) -> None:
    url = own.database()
    async with opened(url) as db, opened(url) as other:
        told: asyncio.Queue[str] = asyncio.Queue()
        db.on_change(told.put_nowait)
        async with asyncio.timeout(20):
            assert await told.get() == ""
            await other.write(_zone(1))
            assert await told.get() == "zone_serials"
            own.stop(signal.SIGQUIT)
            own.start()
            # What was missed meanwhile is not told; that something may have been missed is.
            while await told.get() != "":
                pass
            await again(other)
            await other.write(_zone(2))
            assert await told.get() == "zone_serials"


async def test_nodes_are_told_of_changes_after_a_time_without_a_host_that_takes_writes(postgres: Postgres) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    async with opened(url) as db:
        told: asyncio.Queue[str] = asyncio.Queue()
        postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        db.on_change(told.put_nowait)
        await asyncio.sleep(1)
        assert told.empty()
        postgres.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        async with asyncio.timeout(20):
            assert await told.get() == ""


def _zone(serial: int) -> Steps[None]:
    yield Sql(
        "INSERT INTO zone_serials VALUES ('lab.test', $1, '') "
        "ON CONFLICT (zone) DO UPDATE SET serial = excluded.serial",
        (serial,),
    )
