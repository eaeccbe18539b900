"""The certificate revocation list: built on revocation and before it grows old, the same again after a restart."""

from __future__ import annotations

import asyncio

import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError
from zonemint.pki import crl
from zonemint.pki.authority import Authority
from zonemint.store import certificates, crls
from zonemint.store.crls import Crl
from zonemint.store.database import Database, Steps

__all__ = ["RevocationList"]

_LIFETIME = 7 * 86400  # seconds until nextUpdate; a new list is made at half of it
_RETRY = 5.0  # seconds, while the store cannot answer

# RFC 5280 section 5.3.1, by code.
_REASONS = {
    1: "keyCompromise",
    3: "affiliationChanged",
    4: "superseded",
    5: "cessationOfOperation",
    9: "privilegeWithdrawn",
}

_log = structlog.get_logger()


class RevocationList:
    """The current list of one authority; `url` is the one in the certificates."""

    def __init__(self, db: Database, authority: Authority, url: str, clock: Clock) -> None:
        self._db = db
        self._authority = authority
        self._url = url
        self._clock = clock
        self._current: Crl | None = None
        self._stale = asyncio.Event()

    def der(self) -> bytes:
        """Return the current list in DER."""
        assert self._current is not None
        return self._current.der

    def revoked(self) -> None:
        """Have a new list made soon, since a certificate was revoked."""
        self._stale.set()

    async def load(self) -> None:
        """Take the stored list while it is young enough, else make one."""
        self._current = await self._db.read(crls.current())
        if self._current is None or self._clock() >= self._current.next_update - _LIFETIME / 2:
            await self._build()

    async def keep(self) -> None:
        """Build a list after each revocation and in time, for ever."""
        while True:
            assert self._current is not None
            due = self._current.next_update - _LIFETIME / 2 - self._clock()
            try:
                await asyncio.wait_for(self._stale.wait(), max(1.0, min(due, 3600.0)))
            except TimeoutError:
                if self._clock() < self._current.next_update - _LIFETIME / 2:
                    continue
            self._stale.clear()
            try:
                await self._build()
            except StoreError as error:
                _log.error("the revocation list cannot be built yet", error=str(error))
                self._stale.set()
                await asyncio.sleep(_RETRY)

    async def _build(self) -> None:
        now = int(self._clock())

        def steps() -> Steps[Crl]:
            number = yield from crls.next_number()
            entries = yield from certificates.revoked(expired_before=now)
            der = crl.build(
                self._authority,
                number=number,
                revoked=[(one.serial, one.revoked_at, _REASONS.get(one.reason)) for one in entries],
                now=now,
                next_update=now + _LIFETIME,
                url=self._url,
            )
            made = Crl(number, der, now + _LIFETIME)
            yield from crls.replace(made)
            return made

        self._current = await self._db.write(steps())
