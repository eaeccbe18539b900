"""Server cookies, which show that a client receives at the address it sends from (RFC 7873, RFC 9018)."""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

from siphashc import siphash

from zonemint.core.errors import ForeignDataError

__all__ = ["Cookies", "MASTER_SIZE"]

MASTER_SIZE = 32
"""Bytes of the secret that all nodes and workers share."""

_CLIENT = 8
_WHOLE = 24
_VERSION = b"\1\0\0\0"
_LONGEST = 3600
"""Seconds that a cookie is good for, and beyond that of a clock that is ahead of ours (RFC 9018 section 4.3)."""
_AHEAD = 300
_FRESH = 1800
"""Seconds for which a client's cookie comes back as it is."""
_ERA = 86_400
"""Seconds for which all cookies are made with one key."""
_FORMS = frozenset((_CLIENT, *range(16, 41)))


class Cookies:
    """Makes and checks cookies of version 1.

    master: the shared secret. Each day's key is made from it and the number of the day, and a cookie's timestamp says
    which day's it is. So keys change without anybody telling others, and those of before are known for as long as
    their cookies last (RFC 9018 section 5).
    """

    def __init__(self, master: bytes) -> None:
        self.master = master
        self._keys: dict[int, bytes] = {}

    def answer(self, asked: bytes, address: bytes, now: int) -> tuple[bytes, bool]:
        """Return the option's data for the reply, and whether the client's showed that the address is its own.

        asked: the data of the query's option; address: packed; now: seconds since 1970. Raises ForeignDataError for
        data of a length that no cookie has, which deserves FORMERR (RFC 7873 section 5.2.2).
        """
        size = len(asked)
        if size == _WHOLE and asked.startswith(_VERSION[:1], _CLIENT):
            age = now - int.from_bytes(asked[12:16], "big") & 0xFFFFFFFF
            if age <= _LONGEST or age >= (1 << 32) - _AHEAD:
                known = compare_digest(asked[16:], self._hash(asked[:16], address))
                if known and age <= _FRESH:
                    return asked, True
                return self.make(asked[:_CLIENT], address, now), known
        elif size not in _FORMS:
            raise ForeignDataError("a cookie has 8 bytes, or 16 to 40")
        return self.make(asked[:_CLIENT], address, now), False

    def make(self, client: bytes, address: bytes, now: int) -> bytes:
        """Return the client's 8 bytes and our 16 for it, of a client at a packed address."""
        head = client + _VERSION + (now & 0xFFFFFFFF).to_bytes(4, "big")
        return head + self._hash(head, address)

    def _hash(self, head: bytes, address: bytes) -> bytes:
        era = int.from_bytes(head[12:], "big") // _ERA
        key = self._keys.get(era) or self._make_key(era)
        return siphash(key, head + address).to_bytes(8, "little")

    def _make_key(self, era: int) -> bytes:
        if len(self._keys) > 2:
            self._keys.clear()
        key = self._keys[era] = self.key(era)
        return key

    def key(self, era: int) -> bytes:
        """Return the key of a day, which is counted since 1970."""
        return blake2b(era.to_bytes(8, "big"), key=self.master, digest_size=16, person=b"dns cookies").digest()
