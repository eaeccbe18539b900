"""A zone that others are the source of: looked after by its SOA record's timers (RFC 1034 section 4.3.5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import structlog

from zonemint.core.errors import ConfigError, DnsFailure
from zonemint.core.tasks import heard
from zonemint.dns import codes, wire
from zonemint.dns.transfer.fetch import Primary
from zonemint.dns.transfer.incoming import Incoming, Outcome, Step
from zonemint.dns.transfer.messages import Row
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.journal import Journals, compared
from zonemint.dns.zones.records import Owned, RRset, is_later
from zonemint.dns.zones.zone import Zone

__all__ = ["Secondary", "Timers"]

_SOONEST = 1.0  # seconds between two looks at a primary
_FIRST = (1.0, 600.0)  # seconds until another try for a zone that we do not have, growing from one to the other
_LONGEST = 7 * 86400.0
_ROWS = 2000  # records that are put together in one turn of the loop

_log = structlog.get_logger()


class Timers(NamedTuple):
    """Seconds, of a SOA record: until the primary is asked, until it is asked again, until the zone is no good."""

    refresh: float
    retry: float
    expire: float

    @classmethod
    def of(cls, soa: RRset) -> Timers:
        """Read them, held to what makes sense."""
        data = soa.data[0]
        refresh, retry, expire = (int.from_bytes(data[at : at + 4], "big") for at in (-16, -12, -8))
        return cls(
            min(max(refresh, _SOONEST), _LONGEST), min(max(retry, _SOONEST), _LONGEST), max(expire, refresh + retry)
        )


class Secondary:
    """Keeps one zone of a catalog as its primaries have it.

    primaries: asked in their order; clock: seconds since 1970; kept: is called when a primary vouched for what is
    served, `True` when that is new. failure: why the zone could not be brought up to date, empty when it could.
    confirmed: when a primary vouched last, 0 for never; turns: how many zones may be looked at at once.
    """

    def __init__(
        self,
        origin: str,
        primaries: Sequence[Primary],
        catalog: Catalog,
        journals: Journals,
        *,
        clock: Callable[[], float],
        kept: Callable[[Secondary, bool], None],
        turns: asyncio.Semaphore | None = None,
    ) -> None:
        self.origin = origin
        self.apex = wire.name_from_text(origin)
        self.failure = ""
        self.confirmed = 0.0
        self.transfers = dict.fromkeys(Outcome, 0)
        self._primaries = primaries
        self._catalog = catalog
        self._journals = journals
        self._clock = clock
        self._kept = kept
        self._turns = turns or asyncio.Semaphore()
        self._hint = asyncio.Event()
        self._patience = _FIRST[0]

    @property
    def zone(self) -> Zone | None:
        """What we have of it, whether or not it is served still."""
        return self._zone

    _zone: Zone | None = None

    def restore(self, zone: Zone, confirmed: float) -> None:
        """Take up what a run before had, that a primary vouched for at a time."""
        self._zone, self.confirmed = zone, confirmed
        self._serve_or_suspend()

    def hint(self) -> None:
        """Look now: a primary said that there is something new."""
        self._hint.set()

    async def run(self) -> None:
        """Look after the zone for ever."""
        if self._zone is None:
            self._catalog.suspend(self.origin)
        while True:
            await self.look()
            self._serve_or_suspend()
            await heard(self._hint, self._pause())

    async def look(self) -> bool:
        """Bring the zone up to date with the first primary that has something new; tell whether any was heard."""
        failures, is_heard = [], False
        for primary in self._primaries:
            try:
                async with self._turns:
                    is_new = await self._look_at(primary)
            except (DnsFailure, ConfigError) as error:
                failures.append(str(error))
                continue
            is_heard = True
            if is_new:
                break
        if is_heard:
            self.failure = ""
            self._patience = _FIRST[0]
            return True
        failure = "; ".join(failures)
        if failure != self.failure:
            _log.warning("a secondary zone is not brought up to date", zone=self.origin, why=failure)
        self.failure = failure
        self._patience = min(self._patience * 2, _FIRST[1])
        return False

    async def _look_at(self, primary: Primary) -> bool:
        """Take what a primary has, if that is new; tell whether it was. One may be behind another."""
        zone = self._zone
        if zone is not None and not is_later(await primary.serial(self.apex), zone.serial):
            self._confirm(is_new=False)
            return False
        try:
            incoming = await primary.fetch(self.apex, zone.soa if zone is not None else None)
            await self._take(incoming)
        except (DnsFailure, ConfigError) as error:
            if zone is None:
                raise
            # Some primaries cannot do IXFR, and some get it wrong; the whole zone is the other way.
            _log.info("changes could not be had, the whole zone is asked for", zone=self.origin, why=str(error))
            await self._take(await primary.fetch(self.apex, None))
        return True

    async def _take(self, incoming: Incoming) -> None:
        assert incoming.outcome is not None
        if incoming.outcome is Outcome.CHANGES and self._zone is not None:
            # Each step is a zone that the primary had, so one that fails leaves no half.
            for step in incoming.steps:
                self._zone.follow(_delta(self.apex, step))
        elif incoming.outcome is Outcome.WHOLE:
            await self._replace(incoming.rows)
        self.transfers[incoming.outcome] += 1
        self._confirm(is_new=incoming.outcome is not Outcome.CURRENT)

    async def _replace(self, rows: list[Row]) -> None:
        filling = Filling(self.origin)
        for number, (owner, type_, ttl, data) in enumerate(rows):
            filling.add(owner, type_, ttl, data)
            if number % _ROWS == 0:
                await asyncio.sleep(0)
        for _ in filling.check():
            await asyncio.sleep(0)
        zone, before = Zone.filled(filling), self._zone
        is_wanted = before is not None and self._journals.get(self.apex) is not None
        self._zone = zone
        self._catalog.put(zone, compared(before, zone) if before is not None and is_wanted else None)

    def _confirm(self, *, is_new: bool) -> None:
        self.confirmed = self._clock()
        if is_new and self._zone is not None:
            _log.info("secondary zone brought up to date", zone=self.origin, serial=self._zone.serial)
        self._kept(self, is_new)

    @property
    def expires(self) -> float:
        """When the zone is given up unless a primary vouches for it before, in seconds since 1970; 0 without one."""
        return 0.0 if self._zone is None else self.confirmed + Timers.of(self._zone.soa).expire

    @property
    def has_expired(self) -> bool:
        """Whether no primary vouched for the zone for so long that it must not be answered from (section 4.3.5)."""
        return self._zone is None or self._clock() > self.expires

    def _serve_or_suspend(self) -> None:
        served = self._catalog.get(self.origin) is not None
        if served == (not self.has_expired):
            if not self._catalog.has(self.origin):
                self._catalog.suspend(self.origin)
            return
        if served:
            _log.error("a secondary zone has expired and is not answered any more", zone=self.origin)
            self._catalog.suspend(self.origin)
        elif self._zone is not None:
            self._catalog.put(self._zone)

    def _pause(self) -> float:
        """Return the seconds until the next look; a little is random, so that many zones do not come at once."""
        if self._zone is None:
            pause = self._patience
        else:
            timers = Timers.of(self._zone.soa)
            # Who has just said that there is something new may not be ready to tell it.
            pause = min(timers.retry, self._patience) if self.failure else timers.refresh
            pause = min(pause, max(self.expires - self._clock(), _SOONEST))
        return pause * random.uniform(0.9, 1.0)  # noqa: S311 - nobody is to be kept from guessing it


def _delta(apex: bytes, step: Step) -> Delta:
    before, after = (RRset(codes.SOA, row[2], (row[3],)) for row in (step.before, step.after))
    return Delta(apex, before, after, _grouped(step.removed), _grouped(step.added))


def _grouped(rows: Iterable[Row]) -> tuple[Owned, ...]:
    def key(row: Row) -> tuple[bytes, int]:
        return row[0], row[1]

    found: list[Owned] = []
    for (owner, type_), members in groupby(sorted(rows, key=key), key):
        same = list(members)
        found.append((owner, RRset(type_, min(row[2] for row in same), tuple(dict.fromkeys(row[3] for row in same)))))
    return tuple(found)
