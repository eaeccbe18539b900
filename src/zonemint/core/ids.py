"""Random identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets
import time

__all__ = ["new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def new_id() -> str:
    """Make a 26 character id: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.

    Ids made later sort later, so that the store appends to its indexes; the random part cannot be guessed.
    """
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
