"""Run the crash test for longer: `python -m tests.crash --seconds 600`."""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

from tests.crash.lab import Lab
from tests.crash.running import crash


def main() -> None:
    """Run it once, and print its figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of what is chosen at random")
    arguments.add_argument("--clients", type=int, default=6)
    arguments.add_argument("--folder", type=Path, help="where the folder of the servers is made, and left")
    arguments.add_argument("--database", help="the URL of an empty PostgreSQL database, for two nodes on it")
    arguments.add_argument("--keyless", action="store_true", help="the second node does without the CA's key")
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="zonemint-crash-"))
    print(f"seed {options.seed}, in {folder}", flush=True)
    if options.database:
        lab = Lab.on_postgres(folder / "nodes", options.database, keyless=options.keyless)
    else:
        lab = Lab.on_sqlite(folder / "data")
    try:
        asyncio.run(crash(lab, seconds=options.seconds, seed=options.seed, clients=options.clients))
    finally:
        for what, count in sorted(lab.ledger.counts.items()):
            print(f"{count:8} {what}")
    print("everything that was told is there")


if __name__ == "__main__":
    main()
