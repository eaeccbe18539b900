"""The ends of a copy by what a person calls them: a URL, or a file."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from zonemint.store.transfer import sqlite
from zonemint.store.transfer.ends import Progress, Snapshot, Target

__all__ = ["export", "is_url", "snapshot", "target", "vacuum"]


def is_url(text: str) -> bool:
    """Tell whether a text names a database of a server, and not a file."""
    return text.startswith(("postgresql://", "postgres://"))


def snapshot(database: str, file: Path) -> AbstractAsyncContextManager[Snapshot]:
    """See the database of a URL, or the file where there is no URL, as it is now; raises StoreError."""
    if not database:
        return sqlite.snapshot(file)
    # Imported here: most have no such database, and the driver takes its time.
    from zonemint.store.transfer import postgres

    return postgres.snapshot(database)


def target(where: str) -> AbstractAsyncContextManager[Target]:
    """Fill an empty database by its URL, or a new file; raises StoreError."""
    if not is_url(where):
        return sqlite.target(Path(where))
    from zonemint.store.transfer import postgres

    return postgres.target(where)


async def export(database: str, file: Path, to: Path, progress: Progress) -> None:
    """Write what a store is now into a new SQLite file (0600), while others write; raises StoreError."""
    if not database:
        await sqlite.export(file, to, progress)
        return
    from zonemint.store.transfer import postgres

    await postgres.export(database, to, progress)


async def vacuum(database: str, file: Path) -> tuple[int, int]:
    """Give free what deleted rows took; return the bytes before and after. Raises StoreError."""
    if not database:
        return sqlite.vacuum(file)
    from zonemint.store.transfer import postgres

    return await postgres.vacuum(database)
