"""Foreign text in our own sentences."""

from __future__ import annotations

__all__ = ["shown"]


def shown(text: str, longest: int = 80) -> str:
    """Make foreign text safe and short enough for a message, a log line or a terminal."""
    clean = text.encode("unicode_escape").decode("ascii")
    return clean if len(clean) <= longest else clean[: longest - 3] + "..."
