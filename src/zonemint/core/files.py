"""Files that are there whole or not at all, and folders that one process has for itself."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["exposed", "hold", "put", "sync", "writing"]


def hold(folder: Path) -> int:
    """Hold a folder as the one process that does; it ends with the returned descriptor, or with the process.

    Raises BlockingIOError when another process holds it, OSError.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def exposed(handle: int) -> int | None:
    """Return the mode of an open file of ours that others may use, as ssh has it for keys; None if they may not."""
    status = os.fstat(handle)
    return stat.S_IMODE(status.st_mode) if status.st_uid == os.geteuid() and status.st_mode & 0o077 else None


def put(file: Path, content: bytes, *, private: bool = False) -> None:
    """Put a file in place, instead of another one if there is one, when all of it is on disk; raises OSError.

    private: only its owner may read it.
    """
    with writing(file, private=private) as out:
        out.write(content)


def sync(folder: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(file: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write a file piece by piece that is put in place as `put` does at the end, and never if that fails."""
    half = file.with_name(f".{file.name}.new")
    half.unlink(missing_ok=True)
    try:
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        half.replace(file)
    except OSError as error:
        # A write that fails does not say where.
        error.filename = error.filename or str(file)
        raise
    finally:
        half.unlink(missing_ok=True)
