"""Attempts at a validation: bounded in number, in time and in how many run at once, so that a failed one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zonemint.core.errors import AcmeErrorType
from zonemint.core.trace import Event
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.turns import Turns

__all__ = ["Attempts"]


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a challenge is tried, with how many seconds between tries, at most `slots` challenges at once.

    `limit` is the seconds that one attempt may take, whatever it does.
    """

    count: int
    interval: float
    limit: float
    slots: Turns

    async def run(self, check: Callable[[Tell], Awaitable[Outcome]], tell: Tell, *, group: str = "") -> Outcome:
        """Try until there is proof, no hope or no attempt left, and return how the last attempt ended.

        Groups (whom the challenges are of) take turns where more are to be checked than there are slots.
        """
        for left in range(self.count - 1, -1, -1):
            async with self.slots.of(group):
                outcome = await self._try(check, tell)
            if outcome.error is None or not outcome.again or not left:
                break
            await asyncio.sleep(self.interval)
        return outcome

    async def _try(self, check: Callable[[Tell], Awaitable[Outcome]], tell: Tell) -> Outcome:
        last: Event | None = None

        def note(event: Event) -> None:
            nonlocal last
            last = event
            tell(event)

        try:
            async with asyncio.timeout(self.limit):
                return await check(note)
        except TimeoutError:
            error = AcmeErrorType.DNS if last is not None and last.what == "dns-query" else AcmeErrorType.CONNECTION
            seen = "nothing" if last is None else last.detail
            return Outcome(
                error, f"the attempt took longer than {self.limit:g} s; the last that it saw: {seen}", again=True
            )
