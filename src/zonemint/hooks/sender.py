"""Tells one receiver of events: in order, at least once, and no longer than is worth while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError, Undelivered
from zonemint.hooks.events import Event
from zonemint.hooks.receiver import Receiver
from zonemint.hooks.sources import Source
from zonemint.store import hooks
from zonemint.store.database import Database
from zonemint.store.hooks import Cursor

__all__ = ["Sender"]

_TICK = 1.0  # seconds between rounds
_LONGEST_PAUSE = 300  # seconds between two attempts
_SAVED = 1.0  # seconds of deliveries that a crash may have come again
_SAVED_IDLE = 60.0  # seconds, where nothing was delivered
_REFUSALS = 5  # after which an event is given up that the receiver does not want

_log = structlog.get_logger()


class Sender:
    """One hook; `is_ours` tells whether this node is the one that sends, `give_up` is in seconds."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        sources: Sequence[Source],
        db: Database,
        clock: Clock,
        *,
        give_up: float,
        is_ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self.name = name
        self._receiver = receiver
        self._sources = sources
        self._db = db
        self._clock = clock
        self._give_up = give_up
        self._is_ours = is_ours
        self._cursors: dict[str, Cursor] | None = None
        self._saved: dict[str, Cursor] = {}
        self._saved_at = 0.0
        self._looked: dict[str, float] = {}
        self.counts = {"told": 0, "failed": 0, "given up": 0}

    async def keep(self) -> None:
        """Tell what there is to tell, for ever."""
        try:
            while True:
                try:
                    busy = await self.round()
                except StoreError as error:
                    _log.warning("a hook waits for the store", hook=self.name, why=str(error))
                    self._cursors, busy = None, False
                if not busy:
                    await asyncio.sleep(_TICK)
        finally:
            # What was told of before the server stops need not be told of again when it starts.
            with suppress(StoreError):
                await self._save(at_once=True)

    async def round(self) -> bool:
        """Look at each source once; tell whether there may be more at once."""
        if not await self._is_ours():
            # Another node goes on from where the store says.
            self._cursors = None
            return False
        if self._cursors is None:
            self._cursors = await self._load()
        more = False
        for source in self._sources:
            if self._cursors is not None and self._is_due(source, self._cursors[source.name]):
                more |= await self._look(source)
        return more

    def _is_due(self, source: Source, cursor: Cursor) -> bool:
        now = self._clock()
        if cursor.attempts:
            return now * 1000 >= cursor.retry_ms
        return not 0 <= now - self._looked.get(source.name, -source.pause) < source.pause

    async def _look(self, source: Source) -> bool:
        """Tell of the next events of a source; tell whether there may be more at once."""
        assert self._cursors is not None
        cursor = self._cursors[source.name]
        found = await source.after(cursor.position, self._clock())
        for event, position in found.events:
            if not await self._tell(cursor, event, position):
                return False
            if self._cursors is None or not await self._is_ours():
                return False
            cursor = self._cursors[source.name]
        if not found.events:
            self._looked[source.name] = self._clock()
        self._cursors[source.name] = msgspec.structs.replace(cursor, position=found.reached)
        await self._save()
        return bool(found.events)

    async def _tell(self, cursor: Cursor, event: Event, position: str) -> bool:
        """Deliver one event; tell whether it is behind us."""
        assert self._cursors is not None
        try:
            await self._receiver.deliver(event, now=self._clock())
        except Undelivered as failure:
            after = self._failed(cursor, event, position, failure)
            self._cursors[cursor.source] = after
            await self._save(at_once=True)
            return after.position != cursor.position
        self.counts["told"] += 1
        self._cursors[cursor.source] = msgspec.structs.replace(
            cursor, position=position, attempts=0, retry_ms=0, error="", told=cursor.told + 1
        )
        # What is not written when we end comes once more: a receiver knows it by its id.
        await self._save()
        return True

    def _failed(self, cursor: Cursor, event: Event, position: str, failure: Undelivered) -> Cursor:
        """Return where a hook is after an attempt that failed: still before the event, or behind it."""
        now, attempts, why = self._clock(), cursor.attempts + 1, str(failure)
        self.counts["failed"] += 1
        if now - event.at > self._give_up or (failure.refused and attempts >= _REFUSALS):
            self.counts["given up"] += 1
            _log.error("an event was given up", hook=self.name, type=event.type, id=event.id, why=why)
            return msgspec.structs.replace(
                cursor, position=position, attempts=0, retry_ms=0, error=why, given_up=cursor.given_up + 1
            )
        pause = min(2**attempts, _LONGEST_PAUSE)
        _log.warning("an event was not delivered", hook=self.name, type=event.type, id=event.id, why=why, pause=pause)
        return msgspec.structs.replace(cursor, attempts=attempts, retry_ms=int((now + pause) * 1000), error=why)

    async def _save(self, *, at_once: bool = False) -> None:
        """Write what moved since it was last written, if that is long enough ago; raises StoreError."""
        if self._cursors is None:
            return
        moved = [one for source, one in self._cursors.items() if one != self._saved[source]]
        # Where nothing was told of, a position that is lost costs another look and nobody a second message.
        told = any(one.told != self._saved[one.source].told for one in moved)
        now = self._clock()
        if not moved or (not at_once and 0 <= now - self._saved_at < (_SAVED if told else _SAVED_IDLE)):
            return
        for one in moved:
            if not await self._db.write(hooks.move(one, frm=self._saved[one.source].position)):
                _log.warning("another node tells of the same events", hook=self.name, source=one.source)
                self._cursors = None
                return
            self._saved[one.source] = one
        self._saved_at = now

    async def _load(self) -> dict[str, Cursor]:
        """Read where the hook is; in a source that is new to it, it begins."""
        known = {one.source: one for one in await self._db.read(hooks.cursors(self.name))}
        for source in self._sources:
            if source.name not in known:
                cursor = Cursor(self.name, source.name, await source.start(self._clock()))
                await self._db.write(hooks.begin(cursor))
                known[source.name] = cursor
        self._saved = dict(known)
        return known
