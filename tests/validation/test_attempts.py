"""Attempts: each method is bounded alike, and what an attempt saw is never lost."""

from __future__ import annotations

import asyncio

import pytest

from zonemint.core.errors import AcmeErrorType
from zonemint.core.trace import Event
from zonemint.validation.attempts import Attempts
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.turns import Turns

FAILED = Outcome(AcmeErrorType.DNS, "nothing", again=True)
PROOF = Outcome(None, "", again=False)
HOPELESS = Outcome(AcmeErrorType.DNS, "never", again=False)


def attempts(count: int, *, limit: float = 60.0, slots: int = 1) -> Attempts:
    return Attempts(count, 0.0, limit, Turns(slots))


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


async def test_one_of_another_group_does_not_wait_for_all_of_the_first() -> None:
    ended: list[str] = []

    async def run(group: str) -> None:
        async def check(_: Tell) -> Outcome:
            await asyncio.sleep(0)
            return PROOF

        await two.run(check, lambda event: None, group=group)
        ended.append(group)

    two = attempts(1, slots=2)
    crowd = [asyncio.create_task(run("crowd")) for _ in range(50)]
    await asyncio.sleep(0)
    await run("single")
    assert len(ended) <= 6
    await asyncio.gather(*crowd)


async def test_who_is_cut_off_while_waiting_takes_no_place_with_it() -> None:
    async def check(_: Tell) -> Outcome:
        await gate.wait()
        return PROOF

    gate, one = asyncio.Event(), attempts(1, slots=1)
    tasks = [asyncio.create_task(one.run(check, lambda event: None, group=group)) for group in "abab"]
    await asyncio.sleep(0)
    # One that waits, and one that is given the place in the very moment in which it is cut off.
    tasks[2].cancel()
    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()
    gate.set()
    assert await asyncio.wait_for(tasks[3], 5) == PROOF
    assert await one.run(check, lambda event: None) == PROOF
