"""A store whose process can die between any two commits, and that looks at each issuance in its own transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from cryptography import x509

from zonemint.core.errors import StoreError
from zonemint.store.database import Rows, Sql, Steps
from zonemint.store.postgres import PostgresDatabase
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["Fate", "MortalPostgres", "MortalSqlite"]

T = TypeVar("T")

_INSERT = "INSERT INTO certificates "


class _Died(StoreError):
    """Undoes what was not committed when the process died; nobody hears of it."""


class Fate:
    """When a process dies: after so many more commits, or just before the next one of those; and what it did wrong.

    wrong: each issuance that something did not allow, in words. `now` is the time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.fuse: int | None = None
        self.is_dead = False
        self.died = asyncio.Event()
        self.wrong: list[str] = []

    def die(self) -> None:
        """Commit nothing from now on, and let nobody go on who asks for something."""
        self.is_dead = True
        self.died.set()

    async def write(self, write: Callable[[Steps[T]], Any], steps: Steps[T]) -> T:
        """Do a transaction if the process still lives, and return its result if it does so then."""
        if self.fuse == 0:
            self.die()
        await self.survive()
        if self.fuse:
            self.fuse -= 1
        with suppress(_Died):
            done: T = await write(self.watched(steps))
        await self.survive()
        return done

    async def survive(self) -> None:
        """Go on, or never."""
        if self.is_dead:
            await asyncio.get_running_loop().create_future()

    def watched(self, steps: Steps[T]) -> Steps[T]:
        """Do the steps, and hold each certificate among them against the store as this transaction sees it."""
        rows: Rows = ()
        try:
            step = next(steps)
            while True:
                if self.is_dead:
                    raise _Died("the process died")
                rows = yield step
                if isinstance(step, Sql) and step.text.startswith(_INSERT):
                    yield from self._judge(str(step.args[0]))
                step = steps.send(rows)
        except StopIteration as stop:
            if self.is_dead:
                raise _Died("the process died") from None
            result: T = stop.value
            return result

    def _judge(self, serial: str) -> Steps[None]:
        rows = yield Sql("SELECT order_id, der, key_hash FROM certificates WHERE serial = $1", (serial,))
        order_id, der, key_hash = rows[0]
        if order_id is None:
            return
        rows = yield Sql("SELECT authorizations, expires_at FROM orders WHERE id = $1", (order_id,))
        authorizations, expires_at = rows[0]
        proven = set()
        for authorization in json.loads(authorizations):
            rows = yield Sql(
                "SELECT status, expires_at, identifier_value FROM authorizations WHERE id = $1", (authorization,)
            )
            status, until, name = rows[0]
            if status == "valid" and until > self.now():
                proven.add(name)
        leaf = x509.load_der_x509_certificate(bytes(der))
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for name in names.get_values_for_type(x509.DNSName):
            if name.removeprefix("*.") not in proven:
                self.wrong.append(f"{order_id}: {name} was not proven, or no longer")
            if not name.endswith(".lab.test"):
                self.wrong.append(f"{order_id}: {name} lies outside the policy")
        if len(names) != len(names.get_values_for_type(x509.DNSName)):
            self.wrong.append(f"{order_id}: a name of another kind was never proven")
        if expires_at <= self.now():
            self.wrong.append(f"{order_id}: the order was over")
        if (yield Sql("SELECT 1 FROM blocked_keys WHERE key_hash = $1", (key_hash,))):
            self.wrong.append(f"{order_id}: the key is blocked")


class MortalSqlite(SqliteDatabase):
    """A file, and the process that has it open."""

    fate: Fate

    async def read(self, steps: Steps[T]) -> T:
        await self.fate.survive()
        return await super().read(steps)

    async def write(self, steps: Steps[T]) -> T:
        return await self.fate.write(super().write, steps)

    def write_soon(self, steps: Steps[object]) -> None:
        super().write_soon(self.fate.watched(steps))


class MortalPostgres(PostgresDatabase):
    """A database, and the process that is connected to it."""

    fate: Fate

    async def read(self, steps: Steps[T]) -> T:
        await self.fate.survive()
        return await super().read(steps)

    async def write(self, steps: Steps[T]) -> T:
        return await self.fate.write(super().write, steps)

    async def run(self, sql: Sql) -> Rows:
        await self.fate.survive()
        return await super().run(sql)

    def write_soon(self, steps: Steps[object]) -> None:
        super().write_soon(self.fate.watched(steps))
