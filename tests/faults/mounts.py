"""File systems of a test's own, to be filled up and broken; for root, and for nobody else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import require_program

__all__ = ["break_off", "ext4", "fill_up", "remount", "tmpfs"]


@contextmanager
def tmpfs(point: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory that holds so much."""
    with _mounted(point, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield point


@contextmanager
def ext4(point: Path, image: Path, octets: int) -> Iterator[Path]:
    """Mount a file system that is in a file, and so can fail as one on a disk."""
    mkfs = require_program("mkfs.ext4")
    with image.open("wb") as file:
        file.truncate(octets)
    subprocess.run([mkfs, "-q", "-F", str(image)], check=True)
    with _mounted(point, "-o", "loop", str(image)):
        yield point


def fill_up(folder: Path) -> Path:
    """Take all the space that is left; return the file that has it."""
    file = folder / "ballast"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 10):
            try:
                while out.write(bytes(size)):
                    pass
            except OSError:
                continue
    return file


def break_off(point: Path) -> None:
    """Make a file system read-only at once, as a kernel does that has met an error of the disk."""
    remount(point, "abort")


def remount(point: Path, option: str) -> None:
    """Change a file system that is mounted: `ro` where nobody writes, `rw`."""
    subprocess.run([require_program("mount"), "-o", f"remount,{option}", str(point)], check=True)


@contextmanager
def _mounted(point: Path, *words: str) -> Iterator[None]:
    point.mkdir()
    done = subprocess.run([require_program("mount"), *words, str(point)], capture_output=True, text=True, check=False)
    if done.returncode:
        why = f"no file system can be mounted here: {done.stderr.strip()}"
        pytest.fail(why) if os.environ.get("ZONEMINT_REQUIRE_ALL") else pytest.skip(why)
    try:
        yield
    finally:
        # Lazily: a server that a failed test has left may still be there.
        subprocess.run(["umount", "--lazy", str(point)], check=True)
