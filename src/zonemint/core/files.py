"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["put"]


def put(file: Path, content: bytes, *, private: bool = False) -> None:
    """Put a file in place, instead of another one if there is one, when all of it is on disk; raises OSError.

    private: only its owner may read it.
    """
    half = file.with_name(f".{file.name}.new")
    half.unlink(missing_ok=True)
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    half.replace(file)
