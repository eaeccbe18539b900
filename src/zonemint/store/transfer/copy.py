"""A copy of everything, and the proof that it is one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from zonemint.core.errors import StoreError
from zonemint.store import migrations
from zonemint.store.database import Row, Sql, Steps
from zonemint.store.tables import Table, tables
from zonemint.store.transfer.ends import Progress, Snapshot, Target

__all__ = ["Copied", "copy"]

_encode = msgspec.msgpack.Encoder().encode


class Copied(NamedTuple):
    """A table that was copied, and how many rows it has."""

    table: str
    rows: int


async def copy(source: Snapshot, target: Target, progress: Progress) -> list[Copied]:
    """Copy all rows, read them back, and compare; raises StoreError when they are not the same."""
    if source.schema < migrations.newest():
        raise StoreError(
            f"the store has schema {source.schema} and this release works with {migrations.newest()}: "
            "run `zonemint orders list` once, which brings it up to date"
        )
    counts = [await source.read(_count(table)) for table in tables()]
    total, done = 2 * sum(counts), 0
    sent = []
    for table in tables():
        digest = _Digest()
        async for batch in source.rows(table):
            await target.insert(table, batch)
            digest.add(batch)
            done += len(batch)
            progress(f"copying {table.name}", done, total)
        sent.append(digest)
    for table, expected in zip(tables(), sent, strict=True):
        found = _Digest()
        async for batch in target.rows(table):
            found.add(batch)
            done += len(batch)
            progress(f"comparing {table.name}", done, total)
        if (found.rows, found.sum) != (expected.rows, expected.sum):
            raise StoreError(
                f"the copy of {table.name} is not the same ({found.rows} rows of {expected.rows}): nothing was kept"
            )
    return [Copied(table.name, digest.rows) for table, digest in zip(tables(), sent, strict=True)]


class _Digest:
    """A sum over the hashes of rows, which does not depend on their order: engines sort text in different ways."""

    def __init__(self) -> None:
        self.rows = 0
        self.sum = 0

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.sum += int.from_bytes(hashlib.sha256(_encode(row)).digest(), "big")
        self.sum %= 1 << 256
        self.rows += len(rows)


def _count(table: Table) -> Steps[int]:
    rows = yield Sql(f"SELECT count(*) FROM {table.name}")
    count: int = rows[0][0]
    return count
