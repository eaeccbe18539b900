"""Changes to the zones that this server serves: checked against what is served, stored, and then served.

Those of one zone that come together share a transaction, a serial and a sync of the disk; each is checked against what
those before it leave, and one that is refused does nothing to the others.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zonemint.app.zone_list import Plan
from zonemint.app.zone_reading import Stamp
from zonemint.core.clock import Clock
from zonemint.core.errors import StoreUnavailable, ZonemintError
from zonemint.core.hash_chain import Detail
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.overlay import Draft, Edit, Overlay
from zonemint.dns.zones.zone import Zone
from zonemint.store import audit, records, zone_changes
from zonemint.store.database import Database, Lock, Steps
from zonemint.store.dnssec_keys import DnssecKey
from zonemint.store.records import DynamicRecord
from zonemint.store.zone_changes import ZoneChange

__all__ = ["Decide", "LiveChanges", "Live"]

Decide = Callable[[Draft], Iterable[Edit]]
"""Looks at a zone as it stands and says what to change; raises a ZonemintError to change nothing."""

_TOGETHER = 64  # changes in one transaction
_TRIES = 5  # to be in step with the store, which others write too


@dataclass(slots=True)
class Live:
    """A zone as it is served, with what it is served from.

    stamps: those of the files that it was read from; digest: stands for their content; serial: the store's that it is
    up to; sources: the serials of the zones whose addresses it has pointers for; keys: those that it is signed with.
    """

    plan: Plan
    stamps: dict[Path, Stamp]
    sources: dict[str, int]
    digest: str
    zone: Zone
    overlay: Overlay
    serial: int
    keys: tuple[DnssecKey, ...] = ()


class _Request(NamedTuple):
    decide: Decide
    actor: str
    by: str
    also: Callable[[], Steps[None]] | None
    done: asyncio.Future[list[Edit]]


class _Result(NamedTuple):
    draft: Draft
    serial: int
    outcomes: list[list[Edit] | ZonemintError]


class LiveChanges:
    """Makes changes one transaction after the other in each zone.

    live: the zone of a name, as it is served, or an error why it cannot be changed; catch_up: takes over what others
    wrote; served: is told what was stored, to serve it; settled: waits until everybody serves it.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        live: Callable[[str], Live],
        lock: Callable[[str], asyncio.Lock],
        catch_up: Callable[[], Awaitable[None]],
        served: Callable[[Live, Draft, int], None],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._db = db
        self._clock = clock
        self._live = live
        self._lock = lock
        self._catch_up = catch_up
        self._served = served
        self._settled = settled
        self._waiting: defaultdict[str, deque[_Request]] = defaultdict(deque)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def make(
        self, zone: str, decide: Decide, *, actor: str, by: str, also: Callable[[], Steps[None]] | None = None
    ) -> list[Edit]:
        """Make a change, and return what it was when it is on disk and served.

        Raises what `decide` raises; ConfigError for what cannot be served, or a record that is not dynamic and would be
        removed; StoreError.
        """
        done: asyncio.Future[list[Edit]] = asyncio.get_running_loop().create_future()
        self._waiting[zone].append(_Request(decide, actor, by, also, done))
        if zone not in self._tasks:
            self._tasks[zone] = asyncio.create_task(self._work(zone))
        return await done

    async def _work(self, zone: str) -> None:
        """Go on until nobody waits."""
        waiting = self._waiting[zone]
        batch: list[_Request] = []
        try:
            while waiting:
                batch = [waiting.popleft()]
                # What else may fail in the middle would undo the changes of others.
                while waiting and len(batch) < _TOGETHER and batch[0].also is waiting[0].also is None:
                    batch.append(waiting.popleft())
                try:
                    outcomes = await self._store(zone, batch)
                except ZonemintError as error:
                    outcomes = [error] * len(batch)
                for request, outcome in zip(batch, outcomes, strict=True):
                    if request.done.done():
                        continue  # nobody waits for it any more, and it was made all the same
                    if isinstance(outcome, ZonemintError):
                        request.done.set_exception(outcome)
                    else:
                        request.done.set_result(outcome)
        finally:
            del self._tasks[zone], self._waiting[zone]
            # Those of the batch, too, when it ended by a mistake of ours.
            for request in (*batch, *waiting):
                request.done.cancel()

    async def _store(self, zone: str, batch: Sequence[_Request]) -> Sequence[list[Edit] | ZonemintError]:
        for _ in range(_TRIES):
            async with self._lock(zone):
                live = self._live(zone)
                result = await self._db.write(self._steps(zone, live, batch))
                if result is not None:
                    if result.serial != live.serial:
                        self._served(live, result.draft, result.serial)
                        await self._settled()
                    return result.outcomes
            await self._catch_up()
        raise StoreUnavailable(f"zone {zone}: others change it faster than this server can follow")

    def _steps(self, zone: str, live: Live, batch: Sequence[_Request]) -> Steps[_Result | None]:
        """Check and store a batch; None, with nothing done, when the zone is not served as it is in the store."""
        yield Lock(f"zone {zone}")
        saved = yield from records.serial(zone)
        if saved is None or saved[0] != live.serial:
            return None
        draft = Draft(live.zone, live.overlay)
        outcomes: list[list[Edit] | ZonemintError] = []
        facts: list[audit.Fact] = []
        now = self._clock()
        for request in batch:
            try:
                edits = draft.edit(request.decide(draft))
            except ZonemintError as error:
                outcomes.append(error)
                continue
            outcomes.append(edits)
            for edit in edits:
                change = _change_of(edit)
                facts.append(_fact(zone, request.actor, change))
                if change.added:
                    new = DynamicRecord(
                        zone, change.name, change.type, change.data, change.ttl, int(now * 1000), request.by
                    )
                    yield from records.add(new)
                else:
                    yield from records.remove(zone, change.name, change.type, change.data)
            if request.also is not None:
                yield from request.also()
        if not facts:
            return _Result(draft, live.serial, outcomes)
        serial = yield from records.bump(zone)
        yield from zone_changes.note(zone, serial, list(map(_change_of, draft.net())))
        yield from audit.append(*facts, now=now)
        return _Result(draft, serial, outcomes)


def _change_of(edit: Edit) -> ZoneChange:
    data = rdata.to_text(edit.type, edit.data, 0, len(edit.data))
    return ZoneChange(edit.added, wire.name_to_text(edit.owner), codes.type_to_text(edit.type), data, edit.ttl)


def _fact(zone: str, actor: str, change: ZoneChange) -> audit.Fact:
    told: Detail = {"zone": zone, "type": change.type, "data": change.data, "ttl": change.ttl}
    return audit.Fact(audit.Kind.RECORD_ADDED if change.added else audit.Kind.RECORD_REMOVED, actor, change.name, told)
