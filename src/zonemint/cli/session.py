"""What a command works on: the data folder, its settings and its store, whether or not the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from zonemint.config import Config, DataDir
    from zonemint.store.opening import Store

__all__ = ["Session", "actor", "run"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """An open data folder."""

    data: DataDir
    config: Config
    db: Store

    @property
    def actor(self) -> str:
        """Return who runs the command, for the audit log."""
        return actor()


def actor() -> str:
    """Return who runs this program, for the audit log; the environment has no say in it."""
    import os
    import pwd

    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"


def run(option: Path | None, work: Callable[[Session], Coroutine[None, None, T]], *, database: str | None = None) -> T:
    """Open the folder of `--data` and its store, or that of `--database`, do the work and close it.

    Raises ConfigError, StoreError.
    """
    import asyncio

    async def whole() -> T:
        async with _opened(option, database) as session:
            return await work(session)

    return asyncio.run(whole())


@asynccontextmanager
async def _opened(option: Path | None, database: str | None) -> AsyncIterator[Session]:
    from zonemint.config import DataDir, data_dir, database_url, load
    from zonemint.store.opening import open_store

    data = DataDir(data_dir(option))
    config = load(data.config)
    db = await open_store(database_url(database, config.store.database), data.database)
    try:
        yield Session(data, config, db)
    finally:
        await db.close()
