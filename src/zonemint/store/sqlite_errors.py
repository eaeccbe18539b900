"""What SQLite's errors mean: a mistake of ours, a disk that does not take or give now, or a file that is damaged."""

from __future__ import annotations

import sqlite3
from enum import Enum, auto
from pathlib import Path

from zonemint.core.errors import StoreError, StoreUnavailable

__all__ = ["Meaning", "meaning", "translated"]


class Meaning(Enum):
    """MISTAKE: the statement is wrong. BUSY: another process has it. DISK: it may pass. DAMAGE: it will not."""

    MISTAKE = auto()
    BUSY = auto()
    DISK = auto()
    DAMAGE = auto()


_MEANINGS = {
    sqlite3.SQLITE_BUSY: Meaning.BUSY,
    sqlite3.SQLITE_LOCKED: Meaning.BUSY,
    sqlite3.SQLITE_FULL: Meaning.DISK,
    sqlite3.SQLITE_IOERR: Meaning.DISK,
    sqlite3.SQLITE_READONLY: Meaning.DISK,
    sqlite3.SQLITE_CANTOPEN: Meaning.DISK,
    sqlite3.SQLITE_CORRUPT: Meaning.DAMAGE,
    sqlite3.SQLITE_NOTADB: Meaning.DAMAGE,
}
_WORDS = {
    sqlite3.SQLITE_BUSY: "another process keeps the store locked",
    sqlite3.SQLITE_IOERR: "the disk fails: the system's log says more",
    sqlite3.SQLITE_FULL: "the disk is full: free some space, and the store goes on by itself",
    sqlite3.SQLITE_READONLY: "the store is read-only: make its folder and file system writable",
    sqlite3.SQLITE_CANTOPEN: "the store cannot be opened: its folder must be there and writable",
}


def meaning(error: sqlite3.Error) -> Meaning:
    """Tell what an error means."""
    return _MEANINGS.get(_code(error), Meaning.DAMAGE if _is_no_text(error) else Meaning.MISTAKE)


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error of ours that says it, with the file and what to do."""
    match meaning(error):
        case Meaning.DAMAGE:
            return StoreUnavailable(f"{path}: the file is damaged ({error}): stop the server and restore a backup")
        case Meaning.MISTAKE if not isinstance(error, sqlite3.OperationalError):
            return StoreError(f"{path}: {error}")
    return StoreUnavailable(f"{path}: {_WORDS.get(_code(error), f'the store cannot answer: {error}')}")


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_no_text(error: sqlite3.Error) -> bool:
    """Tell whether a text is not UTF-8: no code comes with that, and we write none."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")
