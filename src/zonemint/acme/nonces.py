"""Replay nonces (RFC 8555 section 6.5): single use, an hour long, one bit of memory each, no write to disk.

A nonce is a counter with a keyed MAC. The key is made at each start, so a nonce from before a crash is unknown
afterwards and can never be used twice; the client repeats its request with the fresh one that it gets (section 6.5).
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Protocol

from zonemint.core.clock import Clock

__all__ = ["LocalNonces", "Nonces", "seal", "unseal"]

_GENERATION = 300.0  # seconds in which the nonces of one bitmap are issued
_KEPT = 13  # bitmaps: a nonce lives 60 to 65 minutes
_MAC = 16  # octets
_SIZE = 8 + _MAC
_LENGTH = _SIZE * 4 // 3


def seal(number: int, key: bytes) -> str:
    """Write a number of 64 bits with its MAC, as 32 characters of base64url."""
    head = number.to_bytes(8, "big")
    return urlsafe_b64encode(head + blake2b(head, digest_size=_MAC, key=key).digest()).decode("ascii")


def unseal(nonce: str, key: bytes) -> int | None:
    """Return the number in a nonce that was made with this key, else None."""
    if len(nonce) != _LENGTH:
        return None
    try:
        raw = urlsafe_b64decode(nonce)
    except ValueError:
        return None
    head = raw[:8]
    if not secrets.compare_digest(blake2b(head, digest_size=_MAC, key=key).digest(), raw[8:]):
        return None
    return int.from_bytes(head, "big")


class Nonces(Protocol):
    """Gives nonces out and takes each of them back once."""

    def issue(self) -> str:
        """Return a fresh nonce."""
        ...

    async def redeem(self, nonce: str) -> bool:
        """Use a nonce up; False when it is not ours, was used, or has expired. Raises StoreError."""
        ...


class _Generation:
    """The nonces of five minutes: how many were issued, and a bit for each that was used."""

    __slots__ = ("began", "issued", "number", "used")

    def __init__(self, number: int, began: float) -> None:
        self.number = number
        self.began = began
        self.issued = 0
        self.used = bytearray()


class LocalNonces:
    """The nonces of a server that has its store for itself; made and redeemed on the event loop's thread only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._current = _Generation(0, clock())
        self._generations = {0: self._current}

    def issue(self) -> str:
        """Return a fresh nonce of 32 characters."""
        current = self._current
        if not 0.0 <= self._clock() - current.began < _GENERATION or current.issued >= 0xFFFFFFFF:
            current = self._turn()
        counter = current.number << 32 | current.issued
        current.issued += 1
        return seal(counter, self._key)

    async def redeem(self, nonce: str) -> bool:
        """Use a nonce up; False when it is not ours, was used, or has expired."""
        counter = unseal(nonce, self._key)
        if counter is None:
            return False
        generation = self._generations.get(counter >> 32)
        if generation is None or self._clock() - generation.began > _KEPT * _GENERATION:
            return False
        octet, bit = divmod(counter & 0xFFFFFFFF, 8)
        used = generation.used
        if octet >= len(used):
            used.extend(bytes(octet + 1 - len(used)))
        if used[octet] >> bit & 1:
            return False
        used[octet] |= 1 << bit
        return True

    def _turn(self) -> _Generation:
        """Begin the next bitmap; a clock that stepped back begins one too, so that age is always measured forward."""
        self._current = _Generation(self._current.number + 1, self._clock())
        self._generations[self._current.number] = self._current
        self._generations.pop(self._current.number - _KEPT, None)
        return self._current
