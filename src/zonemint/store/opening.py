"""The store that the settings name: a SQLite file in the data folder, or a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from zonemint.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from zonemint.store.postgres import PostgresDatabase

__all__ = ["Store", "open_store"]

Store: TypeAlias = "SqliteDatabase | PostgresDatabase"


async def open_store(database: str, file: Path) -> Store:
    """Open the database of a URL, or the file where there is no URL; its schema is brought up to date.

    Raises StoreUnavailable when it cannot be reached, SchemaTooNew, StoreError.
    """
    if not database:
        return SqliteDatabase(file)
    # Imported here: most have no such database, and every command would wait for its driver.
    from zonemint.store.postgres import PostgresDatabase

    return await PostgresDatabase.open(database)
