"""The certificate revocation lists: built on revocation and before they grow old.

An issuer has one for all its certificates, and where the settings say so one for each window of time in which
certificates end. A restart makes no others. Of several nodes one builds a list, which is the first that sees the need;
the others, and all that do not have the issuer's key, take it from the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.core.tasks import heard
from zonemint.pki import crl
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer
from zonemint.store import certificates, crls, revocations
from zonemint.store.crls import Crl, Head, Scope
from zonemint.store.database import Database, Steps
from zonemint.store.revocations import Counts

__all__ = ["RevocationLists"]

_LIFETIME = 7 * 86400  # seconds until nextUpdate; a new list is made at half of it
_LOOK = 1.0  # seconds between looks for what other processes revoked
_RETRY = 5.0  # seconds, while the store cannot answer
_PAGE = 500  # entries that are read and written at once, in some 4 ms

_log = structlog.get_logger()


class RevocationLists:
    """The current lists of an authority, which `authority` returns as it is now; `base` is where they are served.

    An issuer that signs no more goes on with its lists until it has ended, as no certificate of it lasts longer.
    `window` is the length of the windows in seconds, whole days, or 0 for none.
    """

    def __init__(
        self, db: Database, authority: Callable[[], Authority], base: str, clock: Clock, *, window: int = 0
    ) -> None:
        self._db = db
        self._authority = authority
        self._base = base
        self._clock = clock
        self._window = window
        self._current: dict[Scope, Crl] = {}
        self._changed = asyncio.Event()

    def der(self, issuer: Issuer, begins: int = 0, ends: int = 0) -> bytes | None:
        """Return a current list in DER, or None for a window that has none.

        Raises StoreUnavailable while no node has made the issuer's.
        """
        current = self._current.get(Scope(issuer.key_id, begins, ends))
        if current is None and not ends:
            raise StoreUnavailable("no node with the CA's key has made a revocation list yet")
        return current.der if current else None

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
            await heard(self._changed, _LOOK)
            try:
                await self._look()
            except StoreError as error:
                _log.error("the revocation list cannot be built yet", error=str(error))
                self._changed.set()
                await asyncio.sleep(_RETRY)

    async def _look(self) -> None:
        now = self._clock()
        heads = await self._db.read(crls.heads())
        counted = await self._db.read(revocations.counts())
        last = await self._db.read(certificates.last_end()) if self._window else 0
        for issuer in self._authority().issuers:
            if now <= issuer.not_after:
                for scope in self._scopes(issuer, heads, now, last):
                    await self._look_at(issuer, scope, heads.get(scope), counted)
        for scope in [one for one in heads if one.ends and _is_over(one, now)]:
            await self._db.write(crls.remove(scope))
            self._current.pop(scope, None)

    def _scopes(self, issuer: Issuer, heads: dict[Scope, Head], now: float, last: int) -> list[Scope]:
        """Return what an issuer has lists for: all, the windows of before that are not over, and those of today's."""
        windows = {one for one in heads if one.issuer == issuer.key_id and one.ends and not _is_over(one, now)}
        if self._window:
            first = int(now) // self._window * self._window
            windows |= {
                Scope(issuer.key_id, begins, begins + self._window) for begins in range(first, last + 1, self._window)
            }
        return [Scope(issuer.key_id), *sorted(windows)]

    async def _look_at(self, issuer: Issuer, scope: Scope, head: Head | None, counted: Counts) -> None:
        held = self._current.get(scope)
        if head is not None and (held is None or held.number != head.number):
            held = await self._db.read(crls.current(scope))
        if issuer.can_sign and not self._serves(scope, head, counted):
            held = await self._build(issuer, scope)
        if held is not None:
            self._current[scope] = held

    def _serves(self, scope: Scope, head: Head | None, counted: Counts) -> bool:
        """Tell whether a list is young enough and has every revoked certificate."""
        if head is None or self._clock() >= head.next_update - _LIFETIME / 2:
            return False
        return head.revoked == revocations.total(counted, *scope)

    async def _build(self, issuer: Issuer, scope: Scope) -> Crl:
        now = int(self._clock())
        # Counted first: what is revoked meanwhile may be in the list and not in the count, which costs one list more.
        counted = await self._db.read(revocations.counts())
        before = (await self._db.read(crls.heads())).get(scope)
        # What ended after the list before was made has to be on this one still (RFC 5280 section 3.3).
        since = min(now, before.next_update - _LIFETIME) if before and before.next_update else now
        entries = await self._entries(scope, since)

        def steps() -> Steps[Crl]:
            yield crls.lock()
            current = yield from crls.current(scope)
            if current is not None and current.head != before and self._serves(scope, current.head, counted):
                return current
            number = yield from crls.next_number()
            der = crl.build(
                issuer,
                number=number,
                entries=entries,
                now=now,
                next_update=now + _LIFETIME,
                url=issuer.crl_url(self._base, scope.begins, scope.ends),
            )
            made = Crl(number, der, now + _LIFETIME, revocations.total(counted, *scope), *scope)
            yield from crls.replace(made)
            return made

        return await self._db.write(steps())

    async def _entries(self, scope: Scope, since: int) -> bytearray:
        """Return the entries of a list, which are read a page at a time: others have their turn in between."""
        written = bytearray()
        after = (max(since, scope.begins), "")
        while True:
            page = await self._db.read(certificates.revoked(scope.issuer, after=after, before=scope.ends, limit=_PAGE))
            for one in page:
                written += crl.entry(int(one.serial, 16), one.revoked_at, one.reason)
            if len(page) < _PAGE:
                return written
            after = (page[-1].not_after, page[-1].serial)
            await asyncio.sleep(0)


def _is_over(scope: Scope, now: float) -> bool:
    """Tell whether a window needs no list any more: one was made after the last of its certificates had ended."""
    return now >= scope.ends + _LIFETIME


def _adopt(issuer: Issuer) -> Steps[None]:
    """Take over what a store has from when there was one issuer; its list tells that it is such a store."""
    if (yield from crls.adopt(issuer.key_id)):
        yield from certificates.adopt(issuer.key_id)
