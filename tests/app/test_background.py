from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from zonemint.app.background import Background


async def test_what_fails_is_told_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonemint.app.background._PAUSE", 0)
    goes_on = asyncio.Event()
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ValueError("a mistake of ours")
        goes_on.set()
        await asyncio.Event().wait()

    background = Background()
    with capture_logs() as told:
        background.run(work)
        async with asyncio.timeout(10):
            await goes_on.wait()
    await background.close()
    assert begun == 2
    assert [one["log_level"] for one in told] == ["error"]
