"""The one battery: what every store must do, asked of SQLite and of a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgres import Postgres
from zonemint.store.opening import Store, open_store


class Opener:
    """Opens one and the same store, each time as another process would."""

    def __init__(self, url: str, file: Path) -> None:
        self._url = url
        self._file = file
        self._opened: list[Store] = []

    async def __call__(self) -> Store:
        self._opened.append(await open_store(self._url, self._file))
        return self._opened[-1]

    async def close(self, *stores: Store) -> None:
        """Close some, or by default all that are open."""
        for one in stores or tuple(self._opened):
            self._opened.remove(one)
            await one.close()


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def another(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    url = ""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.database()
    opener = Opener(url, tmp_path / "store.db")
    yield opener
    await opener.close()


@pytest_asyncio.fixture
async def db(another: Opener) -> Store:
    return await another()
