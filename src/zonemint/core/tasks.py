"""Tasks that wait for something to do, and tasks that are told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

__all__ = ["end", "heard"]

_AGAIN = 0.1  # seconds until a task is told to end once more


async def heard(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, and for so long at most; what was set is taken."""
    with suppress(TimeoutError):
        # Not asyncio.wait_for, which before Python 3.12 loses a cancellation that comes along with the event.
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all of them have ended, however they end: what a task awaits may swallow a cancellation."""
    told = list(tasks)
    pending = {task for task in told if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN)
    # Errors of theirs are of no use to anybody any more, and count as looked at.
    await asyncio.gather(*told, return_exceptions=True)
