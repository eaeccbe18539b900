"""The certificate revocation lists, one for each issuer: built on revocation and before they grow old.

A restart makes no others. Of several nodes one builds a list, which is the first that sees the need; the others, and
all that do not have the issuer's key, take it from the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.pki import crl
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer
from zonemint.store import certificates, crls
from zonemint.store.crls import Crl
from zonemint.store.database import Database, Steps

__all__ = ["REASONS", "RevocationLists"]

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


class RevocationLists:
    """The current lists of an authority, which `authority` returns as it is now; `base` is where they are served.

    An issuer that signs no more goes on with its list until it has ended, as no certificate of it lasts longer.
    """

    def __init__(self, db: Database, authority: Callable[[], Authority], base: str, clock: Clock) -> None:
        self._db = db
        self._authority = authority
        self._base = base
        self._clock = clock
        self._current: dict[str, Crl] = {}
        self._changed = asyncio.Event()

    def der(self, issuer: Issuer) -> bytes:
        """Return an issuer's current list in DER; raises StoreUnavailable while no node has made one."""
        current = self._current.get(issuer.key_id)
        if current is None:
            raise StoreUnavailable("no node with the CA's key has made a revocation list yet")
        return current.der

    def revoked(self) -> None:
        """Have new lists made soon, since a certificate was revoked, or another node's taken."""
        self._changed.set()

    async def load(self) -> None:
        """Take each stored list while it is young enough and nothing was revoked since, else make one."""
        await self._db.write(_adopt(self._authority().current))
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
        for issuer in self._authority().issuers:
            if self._clock() <= issuer.not_after:
                await self._look_at(issuer)

    async def _look_at(self, issuer: Issuer) -> None:
        key_id = issuer.key_id
        current = self._current.get(key_id)
        if current is None or current.number != await self._db.read(crls.number(key_id)):
            current = await self._db.read(crls.current(key_id))
        if issuer.can_sign and not await self._db.read(self._serves(current)):
            current = await self._db.write(self._build(issuer))
        if current is not None:
            self._current[key_id] = current

    def _serves(self, current: Crl | None) -> Steps[bool]:
        """Tell whether a list is young enough and has every revoked certificate."""
        if current is None or self._clock() >= current.next_update - _LIFETIME / 2:
            return False
        # Of what had not ended when the list was made, nothing is removed from the store while the list is in use, and
        # no revocation is undone: another count means others. Counting reads an index and no certificate.
        made = current.next_update - _LIFETIME
        return current.revoked == (yield from certificates.count_revoked(current.issuer, expired_before=made))

    def _build(self, issuer: Issuer) -> Steps[Crl]:
        yield crls.lock()
        current = yield from crls.current(issuer.key_id)
        if current is not None and (yield from self._serves(current)):
            return current
        now = int(self._clock())
        # Counted first: what is revoked meanwhile is in the list and not in the count, which makes one list too many.
        revoked = yield from certificates.count_revoked(issuer.key_id, expired_before=now)
        number = yield from crls.next_number()
        entries = yield from certificates.revoked(issuer.key_id, expired_before=now)
        der = crl.build(
            issuer,
            number=number,
            revoked=[(one.serial, one.revoked_at, REASONS.get(one.reason)) for one in entries],
            now=now,
            next_update=now + _LIFETIME,
            url=issuer.crl_url(self._base),
        )
        made = Crl(number, der, now + _LIFETIME, revoked, issuer.key_id)
        yield from crls.replace(made)
        return made


def _adopt(issuer: Issuer) -> Steps[None]:
    """Take over what a store has from when there was one issuer; its list tells that it is such a store."""
    if (yield from crls.adopt(issuer.key_id)):
        yield from certificates.adopt(issuer.key_id)
