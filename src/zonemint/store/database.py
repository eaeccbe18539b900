"""What the SQL modules and the engines agree on: a transaction is a generator that yields SQL and receives rows.

A noun module writes its SQL once, with no I/O and no knowledge of the engine; transactions compose with
`yield from`. An engine drives the generator: SQLite on the spot, a server database with awaits in between.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

__all__ = ["Database", "Lock", "Row", "Rows", "Sql", "Step", "Steps", "require"]

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Sequence[Row]


class Sql(NamedTuple):
    """One statement with `$1` parameters and their values."""

    text: str
    args: tuple[object, ...] = ()


class Lock(NamedTuple):
    """Waits for all others who hold the same name, and holds it until the transaction ends; its rows are empty.

    What several transactions may do to one thing at once they do under a lock of its name, so that each sees what
    the last one left. On SQLite, whose writers come one after the other anyhow, it costs nothing.
    """

    name: str


Step: TypeAlias = Sql | Lock
Steps: TypeAlias = Generator[Step, Rows, T]


class Database(Protocol):
    """A store that runs transactions; `read` and `write` raise StoreUnavailable when it cannot answer now.

    A transaction that failed so may have been done all the same, if the connection broke while it was committed: each
    has to be one that can be asked for again.

    failure: why it cannot answer now, or an empty text.
    """

    failure: str

    async def read(self, steps: Steps[T]) -> T:
        """Run a transaction that only reads; it sees every commit that was answered before."""
        ...

    async def write(self, steps: Steps[T]) -> T:
        """Run a transaction and return its result when it is on disk; an error inside undoes all of it."""
        ...

    def write_soon(self, steps: Steps[object]) -> None:
        """Run a transaction with the next group, or within a second; nobody waits, and a crash may lose it."""
        ...

    async def close(self) -> None:
        """Finish what is queued and release the files."""
        ...


def require(rows: Rows) -> Row:
    """Return the single row that a statement must have given."""
    (row,) = rows
    return row
