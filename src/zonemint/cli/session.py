"""What a command works on: the data folder, its settings and its store, whether or not the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from zonemint.config import Config, DataDir
    from zonemint.store.sqlite import SqliteDatabase

__all__ = ["Session", "run"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """An open data folder."""

    data: DataDir
    config: Config
    db: SqliteDatabase


def run(option: Path | None, work: Callable[[Session], Coroutine[None, None, T]]) -> T:
    """Open the data folder that `--data` says, do the work and close it; raises ConfigError, StoreError."""
    import asyncio

    async def whole() -> T:
        async with _opened(option) as session:
            return await work(session)

    return asyncio.run(whole())


@asynccontextmanager
async def _opened(option: Path | None) -> AsyncIterator[Session]:
    from zonemint.config import DataDir, data_dir, load
    from zonemint.store.sqlite import SqliteDatabase

    data = DataDir(data_dir(option))
    config = load(data.config)
    db = SqliteDatabase(data.database)
    try:
        yield Session(data, config, db)
    finally:
        await db.close()
