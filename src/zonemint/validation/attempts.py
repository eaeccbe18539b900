"""Attempts at a validation: bounded in number, in time and in how many run at once, so that a failed one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from zonemint.core.trace import Event
from zonemint.validation.outcome import Outcome

__all__ = ["Attempts"]


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a challenge is tried, with how many seconds between tries, at most `slots` challenges at once."""

    count: int
    interval: float
    slots: asyncio.Semaphore

    async def run(self, check: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Try until there is proof, no hope or no attempt left; the outcome carries the events of all attempts."""
        events: tuple[Event, ...] = ()
        for left in range(self.count - 1, -1, -1):
            async with self.slots:
                outcome = await check()
            events += outcome.events
            if outcome.error is None or not outcome.again or not left:
                break
            await asyncio.sleep(self.interval)
        return replace(outcome, events=events)
