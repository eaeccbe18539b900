"""What an import tells of what it found, for each program alike."""

from __future__ import annotations

import msgspec

__all__ = ["Mapped", "Refused"]


class Refused(msgspec.Struct, frozen=True):
    """What does not come, and why."""

    what: str
    why: str


class Mapped(msgspec.Struct, frozen=True):
    """A setting with its value, the line of `zonemint.toml` that does the same (may be empty), and what to know."""

    theirs: str
    ours: str
    note: str
