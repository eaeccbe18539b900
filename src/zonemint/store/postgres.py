"""PostgreSQL: each transaction on a connection of its own, and the server's commit is what makes it last.

Many nodes may share one database. Transactions run beside each other at the isolation READ COMMITTED; where two of
them must not, they take a `Lock`. While the database cannot be reached, everything is refused at once, and a probe
tells when it is back: nobody waits for a time-out that another one has waited for already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

import asyncpg
import structlog

from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.core.text import without_password
from zonemint.store import postgres_schema
from zonemint.store.database import Lock, Rows, Sql, Step, Steps
from zonemint.store.postgres_changes import Listener
from zonemint.store.postgres_connection import connect

__all__ = ["PostgresDatabase"]

T = TypeVar("T")

_CONNECTIONS = 8
_WRITERS = (
    6  # of them: transactions that wait for each other's locks, on a node that hangs even, leave the others to DNS
)
_PATIENCE = 10.0  # seconds for a whole transaction, the wait for a connection included
_PROBE = 0.5  # seconds between looks while something is wrong
_LATER = 1000  # transactions that `write_soon` holds at most
_LOST_LATER = 3.0  # seconds that a close waits for them

# The connection is gone: what had not begun may be tried on another one.
_BROKEN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
)
# The same may work later: no room, a lost race, a standby that was a primary, a schema that just changed.
_PASSING = (
    *_BROKEN,
    TimeoutError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
# Whoever is told so at the start has something to mend; later it is the server's administrator who mends it.
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)
_UNWRITABLE = (asyncpg.InsufficientResourcesError, asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresSystemError)

_log = structlog.get_logger()


class PostgresDatabase:
    """One database, by its URL; make it with `open`, on the event loop that uses it."""

    def __init__(self, url: str, pool: asyncpg.Pool) -> None:
        self.failure = ""
        self._name = without_password(url)
        self._pool = pool
        self._is_down = False
        self._writers = asyncio.Semaphore(_WRITERS)
        self._later: deque[Steps[object]] = deque()
        self._has_later, self._later_done = asyncio.Event(), asyncio.Event()
        self._later_done.set()
        self._listener = Listener(url)
        self._trouble = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write_later()), asyncio.create_task(self._probe())]

    @classmethod
    async def open(cls, url: str) -> PostgresDatabase:
        """Connect and bring the schema up to date; raises StoreUnavailable, SchemaTooNew."""
        try:
            connection = await connect(url)
            try:
                await postgres_schema.migrate(connection)
            finally:
                await connection.close(timeout=_PATIENCE)
            # A connection keeps nothing of a transaction that ended, so there is nothing to reset.
            pool = await asyncpg.create_pool(
                min_size=0, max_size=_CONNECTIONS, connect=lambda *_, **__: connect(url), reset=_keep
            )
        except _REFUSED as error:
            raise StoreError(f"{without_password(url)}: {_why(error)}") from error
        except _PASSING as error:
            raise StoreUnavailable(f"{without_password(url)}: {_why(error)}") from error
        except asyncpg.PostgresError as error:
            raise StoreError(f"{without_password(url)}: {_why(error)}") from error
        return cls(url, pool)

    async def read(self, steps: Steps[T]) -> T:
        """See Database.read; each statement sees all that was committed before it began."""
        return await self._run(steps, begin="")

    async def write(self, steps: Steps[T]) -> T:
        """See Database.write."""
        return await self._run(steps, begin="BEGIN")

    async def run(self, sql: Sql) -> Rows:
        """Run one statement that changes something as a transaction of its own, without the way to and fro for one."""
        return await self._run(_alone(sql), begin="")

    def write_soon(self, steps: Steps[object]) -> None:
        """See Database.write_soon."""
        if len(self._later) < _LATER:
            self._later.append(steps)
            self._later_done.clear()
            self._has_later.set()

    def on_change(self, changed: Callable[[str], None]) -> None:
        """Have `changed` called when a node commits to a watched table, with its name; with "" after a silence.

        A call may come late or, while the connection is being made anew, instead of several: it says what to look
        at, never what is there.
        """
        self._listener.watch(changed)

    async def close(self) -> None:
        """See Database.close."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._later_done.wait(), _LOST_LATER)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listener.close()
        try:
            await asyncio.wait_for(self._pool.close(), _LOST_LATER)
        except (*_PASSING, asyncpg.PostgresError):
            self._pool.terminate()
        # Sockets that were cut off are closed at the loop's next turn, and there may be no later one.
        await asyncio.sleep(0)

    async def _run(self, steps: Steps[T], *, begin: str) -> T:
        if self._is_down:
            raise StoreUnavailable(self.failure)
        try:
            async with asyncio.timeout(_PATIENCE), self._writers if begin else nullcontext():
                return await self._transact(steps, begin)
        except _PASSING as error:
            self._note(error)
            raise StoreUnavailable(f"{self._name}: {_why(error)}") from error
        except asyncio.CancelledError:
            # Somebody else's patience was shorter than ours.
            self._trouble.set()
            raise
        except asyncpg.PostgresError as error:
            raise StoreError(f"{self._name}: {_why(error)}") from error

    async def _transact(self, steps: Steps[T], begin: str) -> T:
        """Run a transaction's statements one after the other, and commit unless it only reads."""
        try:
            step = next(steps)
        except StopIteration as stop:
            nothing: T = stop.value
            return nothing
        connection, rows = await self._begin(step, begin)
        try:
            while True:
                try:
                    step = steps.send(rows)
                except StopIteration as stop:
                    result: T = stop.value
                    break
                rows = await _execute(connection, step)
            if begin:
                await connection.execute("COMMIT")
        except BaseException as error:
            await _undo(connection, error, begin)
            raise
        finally:
            await self._pool.release(connection)
        return result

    async def _begin(self, first: Step, begin: str) -> tuple[Any, Rows]:
        """Have the first statement done; a connection that broke while it was idle is replaced by another one."""
        for is_last in (False, True):
            connection = await self._pool.acquire()
            try:
                if begin:
                    await connection.execute(begin)
                return connection, await _execute(connection, first)
            except BaseException as error:
                await _undo(connection, error, begin)
                await self._pool.release(connection)
                if is_last or not isinstance(error, _BROKEN):
                    raise
                await self._pool.expire_connections()
        raise AssertionError

    async def _write_later(self) -> None:
        while True:
            await self._has_later.wait()
            self._has_later.clear()
            while self._later:
                try:
                    await self._run(self._later[0], begin="BEGIN; SET LOCAL synchronous_commit TO off")
                except StoreError as error:
                    _log.warning("something that may be lost was lost", why=str(error))
                self._later.popleft()
            self._later_done.set()

    def _note(self, error: BaseException) -> None:
        """Look at once whether the database is there at all."""
        if isinstance(error, _UNWRITABLE):
            self.failure = f"{self._name}: {_why(error)}"
        self._trouble.set()

    async def _probe(self) -> None:
        """While something is wrong, look whether it still is: a connection and a write have to work."""
        while True:
            await self._trouble.wait()
            self._trouble.clear()
            try:
                async with asyncio.timeout(_PATIENCE):
                    if self._is_down:
                        # What the pool holds may be connections to a machine that is gone.
                        await self._pool.expire_connections()
                    async with self._pool.acquire() as connection:
                        await connection.execute(
                            "INSERT INTO leases VALUES ('probe', '', 0) "
                            "ON CONFLICT (name) DO UPDATE SET until_ms = leases.until_ms + 1"
                        )
            except (*_PASSING, asyncpg.PostgresError) as error:
                self._found(f"{self._name}: {_why(error)}", is_down=not isinstance(error, _UNWRITABLE))
                self._trouble.set()
                await asyncio.sleep(_PROBE)
            else:
                self._found("", is_down=False)

    def _found(self, failure: str, *, is_down: bool) -> None:
        if bool(failure) != bool(self.failure) or is_down != self._is_down:
            if failure:
                _log.error("the store cannot be used", why=failure)
            else:
                _log.info("the store is back", store=self._name)
        self.failure, self._is_down = failure, is_down


def _alone(sql: Sql) -> Steps[Rows]:
    return (yield sql)


async def _undo(connection: Any, error: BaseException, begin: str) -> None:
    """Undo what was begun; where nobody knows what the connection is at, that is to end it, which waits for nothing."""
    if isinstance(error, (*_BROKEN, asyncio.CancelledError, TimeoutError)):
        # One that broke by itself is not the pool's any more.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
    elif begin:
        with suppress(*_PASSING):
            await connection.execute("ROLLBACK")


async def _execute(connection: Any, step: Step) -> Rows:
    if isinstance(step, Lock):
        await connection.fetchval("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", step.name)
        return ()
    try:
        return [tuple(row) for row in await connection.fetch(step.text, *step.args)]
    except asyncpg.CharacterNotInRepertoireError:
        # No text of PostgreSQL has a NUL in it, so whoever asks for one finds nothing.
        if not step.text.startswith("SELECT"):
            raise
        return ()


async def _keep(connection: Any) -> None:
    """Hand a connection back as it is."""


def _why(error: BaseException) -> str:
    """Say on one line what the server or the network said."""
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    return " ".join(str(error).split()) or type(error).__name__
