"""What there is of certificates: which of them nobody renewed, and their numbers for those who watch the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError
from zonemint.store import audit, inventory
from zonemint.store.database import Database, Steps
from zonemint.store.inventory import Listed

__all__ = ["SPANS", "Numbers", "without_renewed"]

_PAGE = 1000  # certificates that are looked at in one transaction
_AGE = 15.0  # seconds that numbers are good for, however often they are asked for
_DAY = 86400

SPANS: Mapping[str, int | None] = {"1d": _DAY, "7d": 7 * _DAY, "30d": 30 * _DAY, "90d": 90 * _DAY, "+Inf": None}
"""The spans from now by whose end certificates are counted, each of which has those before it; None has no end."""

_EVENTS = {
    audit.Kind.CERTIFICATE_ISSUED: "issued",
    audit.Kind.CERTIFICATE_FAILED: "failed",
    audit.Kind.CERTIFICATE_REVOKED: "revoked",
}


async def without_renewed(db: Database, found: Sequence[Listed]) -> list[Listed]:
    """Leave those that no later certificate of the same names replaces, nor one that was ordered in its place.

    `found` is in the order of ends. All that end later are gone through, a page in a transaction, since an index of
    names would be paid for by each issuance.
    """
    waiting: dict[str, list[Listed]] = {}
    for one in found:
        if one.replaced_by is None:
            waiting.setdefault(msgspec.json.encode(one.names).decode(), []).append(one)
    left = {one.serial for many in waiting.values() for one in many}
    after = found[0].place if found else None
    while waiting and after is not None:
        later = await db.read(inventory.ending(after=after, limit=_PAGE))
        for place, names in later:
            if names in waiting:
                left -= {one.serial for one in waiting[names] if one.not_after < place.not_after}
                waiting[names] = [one for one in waiting[names] if one.not_after >= place.not_after]
                if not waiting[names]:
                    del waiting[names]
        after = later[-1][0] if len(later) == _PAGE else None
        # Others get their turn: these reads are for nobody who waits.
        await asyncio.sleep(0)
    return [one for one in found if one.serial in left]


class Numbers:
    """Counts events since this run of the program began, and certificates by the time to their end.

    They are read when they are asked for, from what was written since and from two indexes.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._sequence: int | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self.events: dict[str, int] = dict.fromkeys(_EVENTS.values(), 0)
        self.ending: Mapping[str, int] = {}

    async def begin(self) -> None:
        """Count from now on."""
        self._sequence = (await self._db.read(audit.head())).sequence

    async def refresh(self) -> None:
        """Read again what is too old; while the store cannot answer, the numbers stay as they were."""
        async with self._reading:
            now = self._clock()
            if 0 <= now - self._read_at < _AGE:
                return
            try:
                await self._db.read(self._look(int(now)))
            except StoreError:
                return
            self._read_at = now

    def _look(self, now: int) -> Steps[None]:
        head = (yield from audit.head()).sequence
        since = head if self._sequence is None else self._sequence
        counted = yield from audit.count(after=since, until=head)
        spans = {}
        for name, length in SPANS.items():
            until = None if length is None else now + length
            spans[name] = yield from inventory.count_ending(after=now, until=until)
        for kind, word in _EVENTS.items():
            self.events[word] += counted.get(kind, 0)
        self._sequence, self.ending = head, spans
