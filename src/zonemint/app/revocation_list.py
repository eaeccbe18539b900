"""The certificate revocation list: built on revocation and before it grows old, the same again after a restart.

Of several nodes one builds it, which is the first that sees the need; the others, and all that do not have the CA's
key, take it from the store.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.pki import crl
from zonemint.pki.authority import Authority
from zonemint.store import certificates, crls
from zonemint.store.crls import Crl
from zonemint.store.database import Database, Steps

__all__ = ["REASONS", "RevocationList"]

_LIFETIME = 7 * 86400  # seconds until nextUpdate; a new list is made at half of it
_LOOK = 1.0  # seconds between looks for what other processes revoked
_RETRY = 5.0  # seconds, while the store cannot answer

REASONS = {
    1: "keyCompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    9: "privilegeWithdrawn",
}
"""The reasons that an entry can give, by code (RFC 5280 section 5.3.1); of 0, unspecified, it says nothing."""

_log = structlog.get_logger()


class RevocationList:
    """The current list of one authority; `url` is the one in the certificates."""

    def __init__(self, db: Database, authority: Authority, url: str, clock: Clock) -> None:
        self._db = db
        self._authority = authority
        self._url = url
        self._clock = clock
        self._current: Crl | None = None
        self._changed = asyncio.Event()

    def der(self) -> bytes:
        """Return the current list in DER; raises StoreUnavailable while no node has made one."""
        if self._current is None:
            raise StoreUnavailable("no node with the CA's key has made a revocation list yet")
        return self._current.der

    def revoked(self) -> None:
        """Have a new list made soon, since a certificate was revoked, or another node's taken."""
        self._changed.set()

    async def load(self) -> None:
        """Take the stored list while it is young enough and nothing was revoked since, else make one."""
        await self._look()

    async def keep(self) -> None:
        """Build a list after each revocation, by whichever process, and in time, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK)
            self._changed.clear()
            try:
                await self._look()
            except StoreError as error:
                _log.error("the revocation list cannot be built yet", error=str(error))
                self._changed.set()
                await asyncio.sleep(_RETRY)

    async def _look(self) -> None:
        number = await self._db.read(crls.number())
        if self._current is None or self._current.number != number:
            self._current = await self._db.read(crls.current())
        if self._authority.can_sign and not await self._db.read(self._serves(self._current)):
            self._current = await self._db.write(self._build())

    def _serves(self, current: Crl | None) -> Steps[bool]:
        """Tell whether a list is young enough and has every revoked certificate."""
        if current is None or self._clock() >= current.next_update - _LIFETIME / 2:
            return False
        # Of what had not ended when the list was made, nothing is removed from the store while the list is in use, and
        # no revocation is undone: another count means others. Counting reads an index and no certificate.
        made = current.next_update - _LIFETIME
        return current.revoked == (yield from certificates.count_revoked(expired_before=made))

    def _build(self) -> Steps[Crl]:
        yield crls.lock()
        current = yield from crls.current()
        if current is not None and (yield from self._serves(current)):
            return current
        now = int(self._clock())
        # Counted first: what is revoked meanwhile is in the list and not in the count, which makes one list too many.
        revoked = yield from certificates.count_revoked(expired_before=now)
        number = yield from crls.next_number()
        entries = yield from certificates.revoked(expired_before=now)
        der = crl.build(
            self._authority,
            number=number,
            revoked=[(one.serial, one.revoked_at, REASONS.get(one.reason)) for one in entries],
            now=now,
            next_update=now + _LIFETIME,
            url=self._url,
        )
        made = Crl(number, der, now + _LIFETIME, revoked)
        yield from crls.replace(made)
        return made
