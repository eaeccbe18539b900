"""What one look found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Finding", "State"]


class State(StrEnum):
    """How a thing stands: as it must, well enough but worth knowing, or so that something fails."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(NamedTuple):
    """One look: at what, how it stands, what was seen, and what to do about it."""

    what: str
    state: State
    seen: str
    advice: str = ""

    @classmethod
    def ok(cls, what: str, seen: str) -> Finding:
        """Say that something is as it must be."""
        return cls(what, State.OK, seen)

    @classmethod
    def note(cls, what: str, seen: str, advice: str = "") -> Finding:
        """Say what is worth knowing."""
        return cls(what, State.NOTE, seen, advice)

    @classmethod
    def wrong(cls, what: str, seen: str, advice: str) -> Finding:
        """Say what fails, and what to do."""
        return cls(what, State.WRONG, seen, advice)
