"""The story of an order has bounds, and none of them hides how it ended."""

from __future__ import annotations

from pathlib import Path

from tests.store.test_sweep import Case, add, opened
from zonemint.core.trace import Event
from zonemint.store import traces
from zonemint.store.database import Steps


def told(what: str, octets: int = 10) -> Event:
    return Event(1.0, what, "test", detail="d" * octets)


async def test_what_matters_less_does_not_crowd_out_the_end(tmp_path: Path) -> None:
    def tell() -> Steps[None]:
        yield from add(1, Case(0, "ready", 100), 0)
        for number in range(300):
            yield from traces.append("0001", (told(f"download {number}"),), minor=True)
        yield from traces.append("0001", (told("revoked"),))

    async with opened(tmp_path) as db:
        await db.write(tell())
        story = [event.what for event in await db.read(traces.of_order("0001"))]
    assert "revoked" in story
    assert len(story) <= 101


async def test_long_events_leave_the_beginning_and_the_verdict(tmp_path: Path) -> None:
    events = [*(told(f"{number}", 2000) for number in range(100)), told("invalid")]

    def tell() -> Steps[None]:
        yield from add(1, Case(0, "ready", 100), 0)
        for _ in range(100):
            yield from traces.append("0001", events)

    async with opened(tmp_path) as db:
        await db.write(tell())
        story = [event.what for event in await db.read(traces.of_order("0001"))]
    assert story[1:4] == ["0", "1", "2"]
    assert story[-1] == "invalid"
    assert len(story) < 20
