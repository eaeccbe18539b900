"""What a copy reads from and writes to, whatever the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from zonemint.store.database import Row, Steps
from zonemint.store.tables import Table

__all__ = ["BATCH", "Progress", "Sizes", "Snapshot", "TableSize", "Target", "converted"]

T = TypeVar("T")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told of what, how much is done, and how much there is."""

BATCH = 256
"""Rows that are in memory at once."""


class TableSize(NamedTuple):
    """How large a table is: rows, and bytes with its indexes, if the engine tells."""

    name: str
    rows: int
    bytes: int | None


class Sizes(NamedTuple):
    """How large a store is: `file` and `log` in bytes, the log where there is one of its own."""

    tables: list[TableSize]
    file: int
    log: int | None
    free: int | None


class Snapshot(Protocol):
    """A store as it was at one moment, whatever is written to it meanwhile; nothing can be changed through it.

    engine: its name and version; schema: the number of its newest migration.
    """

    engine: str
    schema: int

    async def read(self, steps: Steps[T]) -> T:
        """Run a transaction that only reads."""
        ...

    def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """Yield all rows of a table, some at a time."""
        ...

    async def sizes(self) -> Sizes:
        """Return how large everything is."""
        ...

    async def damages(self) -> list[str]:
        """Return what the engine itself finds wrong with its file, a sentence each."""
        ...


class Target(Protocol):
    """An empty store that is being filled; all of it is there after the last step, or nothing."""

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""
        ...

    def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        """Yield what was added to a table, some rows at a time."""
        ...


def converted(table: Table, rows: Sequence[Row]) -> list[Row]:
    """Return rows with booleans that are booleans, which SQLite has none of."""
    if not table.booleans:
        return [tuple(row) for row in rows]
    return [
        tuple(bool(value) if at in table.booleans and value is not None else value for at, value in enumerate(row))
        for row in rows
    ]
