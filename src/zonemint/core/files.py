"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["put"]


def put(file: Path, content: bytes) -> None:
    """Put a file in place, instead of another one if there is one, when all of it is on disk; raises OSError."""
    half = file.with_name(f".{file.name}.new")
    with half.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    half.replace(file)
