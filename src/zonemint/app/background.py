"""What a server does beside answering: tasks for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from zonemint.core.errors import StoreError
from zonemint.core.tasks import end

__all__ = ["Background"]

_PAUSE = 1.0  # seconds after which what failed is begun again

_log = structlog.get_logger()


class Background:
    """Tasks that end with the server; they are stopped in the reverse of the order in which they began."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Begin what goes on for ever; should it fail, that is told in the log, and it is begun again."""

        async def always() -> None:
            while True:
                try:
                    await work()
                except Exception:
                    _log.exception("a task failed and is begun again", task=repr(work))
                await asyncio.sleep(_PAUSE)

        self._tasks.append(asyncio.create_task(always()))

    def every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do something again and again, with a pause before each time; a failure is told in the log."""

        async def forever() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await work()
                except StoreError as error:
                    _log.warning("a periodic task waits for the store", task=repr(work), why=str(error))
                except Exception:
                    _log.exception("a periodic task failed and will be tried again", task=repr(work))

        self.run(forever)

    async def close(self) -> None:
        """Stop all tasks."""
        while self._tasks:
            await end([self._tasks.pop()])
