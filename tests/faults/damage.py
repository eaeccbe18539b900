"""Pages of a SQLite file, found by the table that they hold, and overwritten."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["damage", "leaves"]


def leaves(database: Path, table: str) -> list[int]:
    """Return the numbers of the pages that hold a table's rows; nobody else may have the file open."""
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        found = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno", (table,))
        return [page for (page,) in found]


def damage(database: Path, pages: list[int], rng: random.Random) -> None:
    """Overwrite pages with noise, as a disk does that wrote elsewhere."""
    size = 4096
    with database.open("r+b", buffering=0) as file:
        for page in pages:
            file.seek((page - 1) * size)
            file.write(rng.randbytes(size))
