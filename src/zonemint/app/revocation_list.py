"""The certificate revocation list: built on revocation and before it grows old, the same again after a restart."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from cryptography import x509

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError
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
        self._known = 0
        self._stale = asyncio.Event()

    def der(self) -> bytes:
        """Return the current list in DER."""
        assert self._current is not None
        return self._current.der

    def revoked(self) -> None:
        """Have a new list made soon, since a certificate was revoked."""
        self._stale.set()

    async def load(self) -> None:
        """Take the stored list while it is young enough and nothing was revoked since, else make one."""
        self._current = await self._db.read(crls.current())
        if self._current is None or self._is_due(self._current) or await self._lacks_one(self._current):
            await self._build()
        else:
            self._known = await self._db.read(certificates.count_revoked())

    async def keep(self) -> None:
        """Build a list after each revocation, by whichever process, and in time, for ever."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), _LOOK)
            try:
                if self._stale.is_set() or await self._is_outdated():
                    self._stale.clear()
                    await self._build()
            except StoreError as error:
                _log.error("the revocation list cannot be built yet", error=str(error))
                self._stale.set()
                await asyncio.sleep(_RETRY)

    def _is_due(self, current: Crl) -> bool:
        return self._clock() >= current.next_update - _LIFETIME / 2

    async def _is_outdated(self) -> bool:
        assert self._current is not None
        # No revocation is ever undone: another number means new ones. Counting reads an index and no certificate.
        return self._is_due(self._current) or await self._db.read(certificates.count_revoked()) != self._known

    async def _lacks_one(self, current: Crl) -> bool:
        """Tell whether a certificate was revoked after a stored list was made, while no server ran."""
        listed = await self._db.read(certificates.revoked(expired_before=current.next_update - _LIFETIME))
        return len(listed) != len(x509.load_der_x509_crl(current.der))

    async def _build(self) -> None:
        now = int(self._clock())

        def steps() -> Steps[tuple[Crl, int]]:
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
            made = Crl(number, der, now + _LIFETIME)
            yield from crls.replace(made)
            return made, (yield from certificates.count_revoked())

        self._current, self._known = await self._db.write(steps())
