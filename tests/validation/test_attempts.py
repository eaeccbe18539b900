"""Attempts: each method is bounded alike, and what an attempt saw is never lost."""

from __future__ import annotations

import asyncio

import pytest

from zonemint.core.errors import AcmeErrorType
from zonemint.core.trace import Event
from zonemint.validation.attempts import Attempts
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome

FAILED = Outcome(AcmeErrorType.DNS, "nothing", again=True)
PROOF = Outcome(None, "", again=False)
HOPELESS = Outcome(AcmeErrorType.DNS, "never", again=False)


def attempts(count: int, *, limit: float = 60.0, slots: int = 1) -> Attempts:
    return Attempts(count, 0.0, limit, asyncio.Semaphore(slots))


@pytest.mark.parametrize(
    ("outcomes", "made"),
    [([PROOF, FAILED], 1), ([FAILED, PROOF], 2), ([HOPELESS, PROOF], 1), ([FAILED] * 9, 3)],
    ids=["proof", "proof that comes later", "no hope", "bounded"],
)
async def test_they_end_with_proof_without_hope_or_when_all_are_used(outcomes: list[Outcome], made: int) -> None:
    left = iter(outcomes)
    events: list[Event] = []

    async def check(tell: Tell) -> Outcome:
        tell(Event(len(events), "dns-query", "ca"))
        return next(left)

    assert await attempts(3).run(check, events.append) == outcomes[made - 1]
    assert [event.at for event in events] == list(range(made))


@pytest.mark.parametrize(("what", "error"), [("dns-query", AcmeErrorType.DNS), ("http-get", AcmeErrorType.CONNECTION)])
async def test_an_attempt_that_takes_too_long_is_cut_off_and_says_what_it_saw(what: str, error: AcmeErrorType) -> None:
    events: list[Event] = []

    async def check(tell: Tell) -> Outcome:
        tell(Event(1.0, what, "ca", detail="asked for it"))
        await asyncio.Event().wait()
        raise AssertionError

    outcome = await attempts(2, limit=0.01).run(check, events.append)
    assert (outcome.error, outcome.again) == (error, True)
    assert "longer than 0.01 s; the last that it saw: asked for it" in outcome.detail
    assert len(events) == 2


async def test_no_more_run_at_once_than_there_are_slots_and_waiting_takes_none() -> None:
    running, most, calls = 0, 0, 0

    async def check(_: Tell) -> Outcome:
        nonlocal running, most, calls
        running, calls = running + 1, calls + 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return FAILED

    two = attempts(2, slots=3)
    await asyncio.gather(*(two.run(check, lambda event: None) for _ in range(20)))
    assert (most, calls) == (3, 40)
