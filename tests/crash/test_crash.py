"""kill -9 at random moments under load: everything that a client was told is there afterwards, and nothing is stuck."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.crash.lab import Lab
from tests.crash.running import crash
from tests.postgres import Postgres

_SECONDS = float(os.environ.get("ZONEMINT_CRASH_SECONDS", "15"))


async def test_one_server_on_sqlite(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    lab = Lab.on_sqlite(tmp_path / "data")
    await crash(lab, seconds=_SECONDS, seed=seed, clients=6)
    print(dict(lab.ledger.counts))
    assert lab.ledger.counts["kills"] > 2


@pytest.mark.parametrize("keyless", [False, True], ids=["both have the key", "one has the key"])
async def test_two_nodes_on_postgresql(tmp_path: Path, postgres: Postgres, keyless: bool) -> None:
    """Sixteen clients, and one node killed at a time: no client sees an error that a repetition does not cure."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    lab = Lab.on_postgres(tmp_path / "nodes", postgres.database(), keyless=keyless)
    await crash(lab, seconds=_SECONDS, seed=seed, clients=16)
    print(dict(lab.ledger.counts))
    assert lab.ledger.counts["kills"] > 2
