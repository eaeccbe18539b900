"""The running server as a fixture, on the event loop that the program itself runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from tests.postgres import Postgres
from tests.web.lab import Lab, running, settings
from zonemint.config import Store

__all__ = ["lab", "pytest_asyncio_loop_factories"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """One server on each store for the tests of a file that do not need their own; each test brings its account."""
    store = Store()
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        store = Store(postgres.database())
    async with running(tmp_path_factory.mktemp("data"), settings(store=store)) as lab:
        yield lab
