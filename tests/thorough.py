"""How much of what could be tried for ever is tried: a little by default, more where there is time."""

from __future__ import annotations

import os

__all__ = ["FACTOR", "examples"]

FACTOR = float(os.environ.get("ZONEMINT_THOROUGH", "1"))
"""1 in every run of the tests; 100 is for a night."""


def examples(count: int) -> int:
    """Return how many examples to try where `count` take a second or two."""
    return max(1, round(count * FACTOR))
