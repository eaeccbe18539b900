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

__all__ = ["lab", "pytest_asyncio_loop_factories", "store_of"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


def store_of(request: pytest.FixtureRequest) -> Store:
    """Return the settings of the store that a fixture is to have: its parameter is sqlite or postgresql."""
    if request.param == "sqlite":
        return Store()
    postgres: Postgres = request.getfixturevalue("postgres")
    return Store(postgres.database())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    """One server on each store for the tests of a file that do not need their own; each test brings its account."""
    async with running(tmp_path_factory.mktemp("data"), settings(store=store_of(request))) as lab:
        yield lab
