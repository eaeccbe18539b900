"""Serial numbers of certificates."""

from __future__ import annotations

import secrets
import time

__all__ = ["new_serial"]

_TIME_BITS = 47
_RANDOM_BITS = 79


def new_serial() -> int:
    """Make a serial number: positive, always 16 octets in DER, with 79 random bits (RFC 5280 section 4.1.2.2).

    The length never varies and milliseconds come first, so that serials in hexadecimal sort as text by their time,
    and a store of millions of them still appends.
    """
    milliseconds = time.time_ns() // 1_000_000 & (1 << _TIME_BITS) - 1
    return 1 << _TIME_BITS + _RANDOM_BITS | milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
