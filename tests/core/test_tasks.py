"""Waits that lose no cancellation, and tasks that swallow one."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from zonemint.core.tasks import end, heard


async def test_an_event_is_heard_and_taken_and_none_is_waited_for_so_long() -> None:
    event = asyncio.Event()
    event.set()
    await asyncio.wait_for(heard(event, 60), 10)
    assert not event.is_set()
    await asyncio.wait_for(heard(event, 0.01), 10)


async def test_a_cancellation_that_comes_with_the_event_is_not_lost() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(heard(event, 60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_swallows_a_cancellation_is_told_again() -> None:
    async def deaf() -> None:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def fails() -> None:
        raise ValueError

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(tasks)
        await end([])
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ValueError)
