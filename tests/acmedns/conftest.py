from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest_asyncio

from tests.web.fixtures import lab, pytest_asyncio_loop_factories
from zonemint.acmedns.context import AcmeDns
from zonemint.core.clock import system_clock
from zonemint.store.database import Steps
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["lab", "pytest_asyncio_loop_factories"]


async def _no_alias(domain: str, target: str, *, actor: str, also: Callable[[], Steps[None]]) -> bool:
    raise AssertionError(domain)


@pytest_asyncio.fixture
async def acmedns(tmp_path: Path) -> AsyncIterator[AcmeDns]:
    """The API's rules on a store of its own, with no server around them."""
    db = SqliteDatabase(tmp_path / "store.db")
    yield AcmeDns(db, system_clock, ("auth.lab.test",), (), 10, 60.0, "https://ca.lab.test", False, _no_alias)
    await db.close()
