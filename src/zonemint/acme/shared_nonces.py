"""Replay nonces of several nodes (RFC 8555 section 6.5): any of them takes what another one gave, and only once.

A nonce is a number with a MAC under a key that all nodes have from the store, so giving one out writes nothing. Using
one up is one statement there. Both the key and the used numbers are in tables that a crash of the database empties:
every nonce from before it is refused then, and the client goes on with the fresh one of that reply.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from zonemint.acme.nonces import seal, unseal
from zonemint.core.clock import Clock
from zonemint.store import nonces
from zonemint.store.database import Database, Rows, Sql, Steps
from zonemint.store.nonces import NonceKey

__all__ = ["SharedNonces"]

_LIFETIME = 60  # minutes; a nonce lives one longer at most
_REMEMBERED = 180  # minutes that a used one is known: longer, for a clock may be ahead of another node's
_AT_ONCE = 10_000  # numbers forgotten in one transaction
# The number: minutes since 1970, the node, and a count that begins anew each minute.
_NODE_BITS, _COUNT_BITS = 13, 24
_MINUTE_AT = _NODE_BITS + _COUNT_BITS


class SharedNonces:
    """The nonces of one node among several; `run` does one statement as a transaction of its own.

    Two nodes that happen to draw the same number may give out the same nonce, and one of the clients tries again.
    """

    def __init__(self, db: Database, run: Callable[[Sql], Awaitable[Rows]], clock: Clock) -> None:
        self._db = db
        self._run = run
        self._clock = clock
        self._key = NonceKey(0, b"")
        self._node = secrets.randbits(_NODE_BITS) << _COUNT_BITS
        self._minute = 0
        self._issued = 0

    async def load(self) -> None:
        """Take the key of all nodes, or make it; raises StoreError."""
        fresh = NonceKey(secrets.randbits(63), secrets.token_bytes(32))
        self._key = await self._db.write(nonces.key(fresh))

    def issue(self) -> str:
        """Return a fresh nonce of 32 characters."""
        minute = int(self._clock()) // 60
        if minute > self._minute:
            self._minute, self._issued = minute, 0
        self._issued += 1
        return seal(self._minute << _MINUTE_AT | self._node + self._issued, self._key.key)

    async def redeem(self, nonce: str) -> bool:
        """Use a nonce up; False when it is not ours, was used, or has expired. Raises StoreError."""
        number = unseal(nonce, self._key.key)
        if number is None or number < self._issued_before(_LIFETIME):
            return False
        if await self._run(nonces.use(number, self._key.id)):
            return True
        # It was used, or the key is gone; the next nonce must be good, so it is looked after before the reply.
        await self.load()
        return False

    def forget(self) -> Steps[bool]:
        """Delete some of what is remembered of nonces that have expired; tell whether there may be more."""
        return nonces.forget(self._issued_before(_REMEMBERED), limit=_AT_ONCE)

    def _issued_before(self, minutes: int) -> int:
        """Return the lowest number that was given out since so many minutes ago."""
        return (int(self._clock()) // 60 - minutes) << _MINUTE_AT
