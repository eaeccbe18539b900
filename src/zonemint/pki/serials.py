"""Serial numbers of certificates."""

from __future__ import annotations

import secrets

__all__ = ["new_serial"]

_RANDOM_BITS = 126


def new_serial() -> int:
    """Make a serial number: positive, always 16 octets in DER, with 126 random bits (RFC 5280 section 4.1.2.2).

    The length never varies, so that serials written in hexadecimal line up and sort as text.
    """
    return 1 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
