"""Random identifiers that sort by the time they were made, and random texts."""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64encode

__all__ = ["new_id", "random_octets", "random_text"]

_POOL = 4096  # octets: a system call for each id costs more than the id

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def new_id() -> str:
    """Make a 26 character id: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.

    Ids made later sort later, so that the store appends to its indexes; the random part cannot be guessed.
    """
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(random_octets(10), "big")
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def random_octets(count: int) -> bytes:
    """Return octets of the system's random generator, each of them only once; at most 64 at a time."""
    global _pool, _used
    if _used + count > len(_pool):
        _pool, _used = os.urandom(_POOL), 0
    taken = _pool[_used : _used + count]
    _used += count
    return taken


def random_text(octets: int) -> str:
    """Return random octets in base64url (RFC 4648 section 5) that a command line does not take for an option.

    Keys, passwords and tokens are pasted into one, or handed to a hook; the hyphen in front is one text in 64.
    """
    while (text := urlsafe_b64encode(random_octets(octets)).rstrip(b"=").decode()).startswith("-"):
        pass
    return text


_pool = b""
_used = 0


def _forget_pool() -> None:
    """A forked child must not give out what its parent does."""
    global _pool, _used
    _pool, _used = b"", 0


os.register_at_fork(after_in_child=_forget_pool)
