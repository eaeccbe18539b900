"""Where the auth zone's values come from: a store that answers on the spot, or one that has to be asked.

Both say what the store holds at the time of the question, so that the query after a 200 to `/update` sees the value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain

import structlog

from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.dns.zones.zone import TxtValues
from zonemint.store import txt
from zonemint.store.database import Database, Steps
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["AskedValues", "StoredValues"]

_READS = 2  # that are under way at once: one that hangs does not stop the other
_SWEEPS = 8  # looks for questions that have waited too long, in the time in which one becomes so

_SILENCE = "the store does not answer"

_log = structlog.get_logger()

_Answers = list["asyncio.Future[TxtValues]"]


class _Values:
    """What both read: the values of an auth zone that are younger than a lifetime in seconds."""

    def __init__(self, zone: str, lifetime: float, clock: Clock) -> None:
        self._zone = zone
        self._lifetime = lifetime
        self._clock = clock

    def _of(self, labels: list[str]) -> Steps[dict[str, list[str]]]:
        now_ms = int(self._clock() * 1000)
        oldest = now_ms - int(self._lifetime * 1000)
        return txt.zone_values(self._zone, labels, newer_than=oldest, now_ms=now_ms)


class StoredValues(_Values):
    """A TxtSource that reads each value from SQLite while DNS answers."""

    def __init__(self, db: SqliteDatabase, zone: str, lifetime: float, clock: Clock) -> None:
        super().__init__(zone, lifetime, clock)
        self._db = db

    def __call__(self, label: str) -> TxtValues:
        """Return the values of a label; raises StoreUnavailable."""
        return self._db.read_now(self._of([label])).get(label)


class AskedValues(_Values):
    """A TxtSource that asks a store over the network, for many labels in one read.

    A question takes part only in a read that begins after it, so it sees every update that anybody was told of before.
    limit: questions that wait at once, more are refused; patience: seconds until one is refused, of the five or so that
    resolvers wait.
    """

    def __init__(
        self,
        db: Database,
        zone: str,
        lifetime: float,
        clock: Clock,
        *,
        limit: int = 1024,
        patience: float = 2.0,
    ) -> None:
        super().__init__(zone, lifetime, clock)
        self._db = db
        self._limit = limit
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[TxtValues], float] = {}  # and when they have waited too long, oldest first
        self._unread: dict[str, _Answers] = {}  # those that no read has taken up
        self._reads: set[asyncio.Task[None]] = set()
        self._next: asyncio.Handle | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many questions wait."""
        return len(self._waiting)

    def __call__(self, label: str) -> asyncio.Future[TxtValues]:
        """Promise the values of a label; raises StoreUnavailable when too many wait already."""
        if len(self._waiting) >= self._limit:
            raise StoreUnavailable("too many questions wait for the store")
        answer: asyncio.Future[TxtValues] = self._loop.create_future()
        self._waiting[answer] = self._loop.time() + self._patience
        self._unread.setdefault(label, []).append(answer)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._patience / _SWEEPS, self._sweep)
        self._wake()
        return answer

    def _wake(self) -> None:
        if self._next is None and self._unread and len(self._reads) < _READS:
            # Not at once: whoever asks in this turn of the loop takes part.
            self._next = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._next = None
        labels = list(self._unread)[: txt.LABELS]
        if not labels:
            return
        read = self._loop.create_task(self._read({label: self._unread.pop(label) for label in labels}))
        self._reads.add(read)
        read.add_done_callback(self._end)
        self._wake()

    def _end(self, read: asyncio.Task[None]) -> None:
        self._reads.discard(read)
        self._wake()

    async def _read(self, asking: dict[str, _Answers]) -> None:
        why = _SILENCE
        try:
            async with asyncio.timeout(self._patience):
                found = await self._db.read(self._of(list(asking)))
        except TimeoutError:
            pass
        except StoreError as error:
            why = str(error)
        except Exception:
            _log.exception("the values of the auth zone could not be read")
        else:
            for label, answers in asking.items():
                for answer in answers:
                    if self._waiting.pop(answer, None) is not None:
                        answer.set_result(found.get(label))
            return
        self._refuse(chain.from_iterable(asking.values()), why)

    def _refuse(self, answers: Iterable[asyncio.Future[TxtValues]], why: str) -> None:
        for answer in answers:
            if self._waiting.pop(answer, None) is not None:
                answer.set_exception(StoreUnavailable(why))

    def _sweep(self) -> None:
        """Refuse the questions that have waited too long, whether or not a read has taken them up."""
        now = self._loop.time()
        self._refuse([answer for answer, end in self._waiting.items() if end <= now], _SILENCE)
        left = {label: [one for one in answers if one in self._waiting] for label, answers in self._unread.items()}
        self._unread = {label: answers for label, answers in left.items() if answers}
        self._sweeper = self._loop.call_later(self._patience / _SWEEPS, self._sweep) if self._waiting else None

    async def close(self) -> None:
        """Refuse every question that waits, and give the reads up."""
        for handle in (self._next, self._sweeper):
            if handle is not None:
                handle.cancel()
        self._unread.clear()
        self._refuse(list(self._waiting), "the server stops")
        for read in self._reads:
            read.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
