from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Running]:
    """One server for all tests that leave it as they found it, each with names of its own."""
    with server.running(tmp_path_factory.mktemp("shared") / "data") as one:
        yield one
