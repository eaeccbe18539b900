"""kill -9 at random moments under load: everything that a client was told is there afterwards, and nothing is stuck."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.crash.lab import Lab
from tests.crash.running import crash

_SECONDS = float(os.environ.get("ZONEMINT_CRASH_SECONDS", "25"))


async def test_one_server_on_sqlite(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    lab = Lab.on_sqlite(tmp_path / "data")
    await crash(lab, seconds=_SECONDS, seed=seed, clients=6)
    assert lab.ledger.counts["kills"] > 2
