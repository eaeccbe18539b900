"""The store that the settings name: a SQLite file in the data folder, or a PostgreSQL database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog

from zonemint.core.errors import StoreUnavailable
from zonemint.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from zonemint.store.postgres import PostgresDatabase

__all__ = ["Store", "open_store"]

_RETRY = 1.0  # seconds

_log = structlog.get_logger()

Store: TypeAlias = "SqliteDatabase | PostgresDatabase"


async def open_store(database: str, file: Path, *, patience: float = 0.0) -> Store:
    """Open the database of a URL, or the file where there is no URL; its schema is brought up to date.

    patience: seconds to go on trying. Raises StoreUnavailable when the store cannot be reached, SchemaTooNew,
    StoreError.
    """
    if not database:
        return SqliteDatabase(file)
    # Imported here: most have no such database, and every command would wait for its driver.
    from zonemint.store.postgres import PostgresDatabase

    end = time.monotonic() + patience
    while True:
        try:
            return await PostgresDatabase.open(database)
        except StoreUnavailable as error:
            if time.monotonic() > end:
                raise
            _log.warning("waiting for the store", why=str(error))
            await asyncio.sleep(_RETRY)
