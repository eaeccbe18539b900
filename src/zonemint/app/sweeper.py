"""The removal of what is past its time: beside everything else, a little at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from zonemint.core.clock import Clock
from zonemint.store import sweep
from zonemint.store.database import Database, Steps
from zonemint.store.sweep import Swept

__all__ = ["Keep", "Sweeper"]

_FIRST, _LEAST, _MOST = 20, 10, 200  # rows that one step looks at: to begin with, and as the last one's time allows
_AIM = 0.005  # seconds that a step may take
_PAUSE = 20  # times as long as the step took: the loop has nineteen of twenty parts for its clients
_JUMP = 60.0  # seconds that the clock may gain or lose at once

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept, in seconds: orders and certificates after their end, TXT values from their update."""

    orders: float
    certificates: float
    txt_values: float


async def _always() -> bool:
    return True


class Sweeper:
    """Removes what is no longer kept; `may_work` is asked before each step, for of several nodes one does this.

    gone: rows removed since the start, by kind.
    """

    def __init__(
        self, db: Database, keep: Keep, clock: Clock, may_work: Callable[[], Awaitable[bool]] = _always
    ) -> None:
        self._db = db
        self._keep = keep
        self._clock = clock
        self._may_work = may_work
        self._lead = self._present_lead()
        # Of the orders, what lies behind is gone or valid: the next walk looks at none of it again.
        self._after = dict.fromkeys(("certificates", "orders", "values", "proofs", "tokens"), "")
        self.gone: Counter[str] = Counter(dict.fromkeys(sweep.KINDS, 0))
        self._finished: float | None = None

    async def round(self) -> None:
        """Remove all that is past its time now; where a round is broken off, the next one goes on."""
        now, keep, before = self._clock(), self._keep, self.gone.copy()
        certificates, orders = int(now - keep.certificates), int(now - keep.orders)
        values_ms = int((now - keep.txt_values) * 1000)
        whole = (
            await self._walk("certificates", lambda _, n: sweep.certificates(ended_before=certificates, limit=n))
            and await self._walk("orders", lambda after, n: sweep.orders(after, ended_before=orders, limit=n))
            and await self._walk("values", lambda after, n: sweep.txt_values(after, older_than_ms=values_ms, limit=n))
            and await self._walk("proofs", lambda after, n: sweep.proofs(after, ended_before=int(now), limit=n))
            and await self._walk("tokens", lambda _, n: sweep.used_tokens(ended_before=int(now), limit=n))
        )
        if whole:
            self._finished = time.monotonic()
        if gone := self.gone - before:
            _log.info("removed what is past its time", **gone)

    def age(self) -> float | None:
        """Return the seconds since a round went through everything, or None when none has."""
        return None if self._finished is None else time.monotonic() - self._finished

    async def _walk(self, what: str, step: Callable[[str, int], Steps[Swept]]) -> bool:
        """Take step after step with a pause behind each; tell whether the walk came to its end."""
        limit = _FIRST
        while True:
            if not self._is_steady() or not await self._may_work():
                return False
            swept, took = await self._db.write(_timed(step(self._after[what], limit)))
            self._after[what] = swept.after
            self.gone.update(swept.gone)
            await asyncio.sleep(took * _PAUSE)
            if not swept.more:
                return True
            limit = max(_LEAST, limit // 2) if took > _AIM else min(_MOST, limit * 2) if took < _AIM / 2 else limit

    def _is_steady(self) -> bool:
        """Tell whether nobody set the clock since the last look: one that is wrong for a moment must remove nothing."""
        lead, before = self._present_lead(), self._lead
        self._lead = lead
        if abs(lead - before) < _JUMP:
            return True
        _log.warning("the clock was set: nothing is removed until the next round", seconds=round(lead - before))
        return False

    def _present_lead(self) -> float:
        return self._clock() - time.monotonic()


def _timed(steps: Steps[Swept]) -> Steps[tuple[Swept, float]]:
    """Tell how long a transaction ran; to wait for its commit holds up nobody."""
    began = time.perf_counter()
    swept = yield from steps
    return swept, time.perf_counter() - began
