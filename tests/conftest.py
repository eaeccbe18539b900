from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import server
from tests.cli.program import run
from tests.postgres import Postgres, started

# How long an example takes tells of the machine, and of what else runs there.
settings.register_profile("zonemint", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zonemint")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Running]:
    """One server for all tests of a process that leave it as they found it, each with names of its own."""
    with server.running(tmp_path_factory.mktemp("shared") / "data") as one:
        yield one


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as `init` leaves it, to be copied."""
    data = tmp_path_factory.mktemp("initialised") / "data"
    assert run("init", "--domain", server.DOMAIN, "--data", data).returncode == 0
    return data


@pytest.fixture
def folder(initialised: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own, with no server on it."""
    return shutil.copytree(initialised, tmp_path / "data")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all tests of a process; each takes a database of its own."""
    with started() as one:
        yield one


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, to be stopped and killed."""
    with started() as one:
        if one.programs is None:
            pytest.skip("the server that $ZONEMINT_TEST_POSTGRES names is not ours to be stopped")
        yield one
