"""Rounds of removal: whole, broken off, taken up, and none while the clock is not to be trusted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from tests.postgres import Postgres
from tests.store.test_sweep import DAY, Case, add, add_all, column, opened
from tests.web.lab import running, settings
from zonemint.app import server
from zonemint.app.metrics import Metrics
from zonemint.app.sweeper import Keep, Sweeper
from zonemint.config import Seconds, Store
from zonemint.store import leases, opening

COUNT = 100


@dataclass
class Clock:
    """The wall clock, until a test moves it."""

    offset: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@dataclass
class Lab:
    """A store with `COUNT` failed orders and as many certificates, all of them past their time, and one of each not."""

    db: opening.Store
    clock: Clock
    leave: int = 10**6
    asked: int = 0

    async def may_work(self) -> bool:
        self.asked += 1
        return self.asked <= self.leave

    def sweeper(self) -> Sweeper:
        return Sweeper(self.db, Keep(30 * DAY, 90 * DAY, DAY), self.clock, self.may_work)

    async def left(self) -> int:
        return len(await self.db.read(column("SELECT id FROM orders")))


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    clock = Clock()
    now = int(clock())
    async with opened(tmp_path) as db:
        past = [Case(0, "invalid", DAY), Case(0, "valid", DAY)] * COUNT
        await db.write(add_all(enumerate(past), now - 200 * DAY))
        await db.write(add(5000, Case(0, "valid", DAY), now - 90 * DAY))
        await db.write(add(5001, Case(0, "invalid", DAY), now - 30 * DAY))
        yield Lab(db, clock)


async def test_a_round_removes_and_counts_all_that_is_past_its_time(lab: Lab) -> None:
    sweeper = lab.sweeper()
    assert sweeper.age() is None
    await sweeper.round()
    assert await lab.left() == 2
    assert sweeper.gone == {"certificates": COUNT, "orders": 2 * COUNT, "authorizations": 2 * COUNT, "txt_values": 0}
    age = sweeper.age()
    assert age is not None
    assert age >= 0
    await sweeper.round()
    assert await lab.left() == 2


async def test_of_several_nodes_one_that_may_not_work_stops_at_once_and_another_goes_on(lab: Lab) -> None:
    lab.leave = 1
    sweeper = lab.sweeper()
    await sweeper.round()
    assert 2 < await lab.left() < 2 * COUNT
    assert lab.asked == 2
    assert sweeper.age() is None
    lab.leave = 10**6
    await lab.sweeper().round()
    assert await lab.left() == 2


@pytest.mark.parametrize("jump", [100 * DAY, 3600, -3600])
async def test_a_clock_that_was_just_set_removes_nothing_until_it_has_kept_for_a_round(lab: Lab, jump: float) -> None:
    sweeper = lab.sweeper()
    lab.clock.offset = jump
    await sweeper.round()
    assert await lab.left() == 2 * COUNT + 2
    # It was wrong, and was set right.
    lab.clock.offset = 0.0
    await sweeper.round()
    assert await lab.left() == 2 * COUNT + 2
    await sweeper.round()
    assert await lab.left() == 2


async def test_the_metrics_tell_of_it(lab: Lab) -> None:
    sweeper = lab.sweeper()
    metrics = Metrics(dict, sweeper)
    assert b'zonemint_store_swept_total{kind="orders"} 0.0' in metrics.exposition()
    assert b"zonemint_store_sweep_age_seconds" not in metrics.exposition()
    await sweeper.round()
    assert f'zonemint_store_swept_total{{kind="orders"}} {2 * COUNT}.0' in metrics.exposition().decode()
    assert b"zonemint_store_sweep_age_seconds" in metrics.exposition()


async def test_a_running_server_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SWEEP", 0.01)
    long = replace(settings().acme, authorization_lifetime=Seconds(400 * DAY))
    async with running(tmp_path, settings(acme=long)) as lab, opened(tmp_path) as db:
        now = int(lab.clock())
        for number, age in enumerate((402, 400, 300)):
            await db.write(add(number, Case(0, "invalid", DAY), now - age * DAY))
        async with asyncio.timeout(10):
            while await db.read(column("SELECT count(*) FROM orders")) != [2]:  # noqa: ASYNC110 - another connection's work
                await asyncio.sleep(0.005)


async def test_a_node_does_it_while_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.setattr(server, "_SWEEP", 0.01)
    url = postgres.database()
    async with opened(tmp_path, url) as db:
        now = int(time.time())
        await db.write(add(1, Case(0, "invalid", DAY), now - 200 * DAY))
        assert await db.write(leases.take("sweep", "another", now_ms=0, until_ms=(now + DAY) * 1000))
        async with running(tmp_path, settings(store=Store(database=url))):
            await asyncio.sleep(0.1)
            assert await db.read(column("SELECT count(*) FROM orders")) == [1]
            await db.write(leases.release("another"))
            async with asyncio.timeout(10):
                while await db.read(column("SELECT count(*) FROM orders")) != [0]:  # noqa: ASYNC110 - another's work
                    await asyncio.sleep(0.005)
            assert "sweep" in await db.read(column("SELECT name FROM leases"))
