"""A number of places, given in turn to the groups that wait for one: who brings much does not keep others waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    """At most `many` are inside at once; a place that comes free goes to the group that got one least recently."""

    def __init__(self, many: int) -> None:
        self._free = many
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, group: str) -> AsyncIterator[None]:
        """Wait for a place, and have it until the end of the context."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(group)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, group: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(group, turn)
            else:
                self._pass_on()
            raise

    def _forget(self, group: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(group)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[group]

    def _pass_on(self) -> None:
        while self._waiting:
            group, queue = next(iter(self._waiting.items()))
            turn = queue.popleft()
            del self._waiting[group]
            if queue:
                self._waiting[group] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
