"""Nonces that nodes share: any of them takes what another gave, once, for an hour, and none from before a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import chain

import pytest
import pytest_asyncio

from tests.postgres import Postgres, query
from zonemint.acme.shared_nonces import SharedNonces
from zonemint.store.postgres import PostgresDatabase

MINUTE = 60.0


class Clock:
    def __init__(self) -> None:
        self.now = 1.8e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest_asyncio.fixture
async def db(url: str) -> AsyncIterator[PostgresDatabase]:
    db = await PostgresDatabase.open(url)
    yield db
    await db.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def two(db: PostgresDatabase, clock: Clock) -> tuple[SharedNonces, SharedNonces]:
    one, other = SharedNonces(db, db.run, clock), SharedNonces(db, db.run, clock)
    await asyncio.gather(one.load(), other.load())
    return one, other


async def test_each_is_taken_once_by_either(two: tuple[SharedNonces, SharedNonces]) -> None:
    issued = list(chain.from_iterable((node.issue() for _ in range(50)) for node in two))
    assert len(set(issued[:50])) == len(set(issued[50:])) == 50
    assert {len(nonce) for nonce in issued} == {32}
    asked = [(node, nonce) for nonce in issued for node in two]
    taken = await asyncio.gather(*(node.redeem(nonce) for node, nonce in asked))
    for nonce in set(issued):
        assert [done for (_, one), done in zip(asked, taken, strict=True) if one == nonce].count(True) == 1


async def test_what_was_not_issued_is_not_taken_and_leaves_nothing(
    two: tuple[SharedNonces, SharedNonces], url: str
) -> None:
    good = two[0].issue()
    forged = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        "B" + good[1:],
        good[:-1],
        good + "A",
        "",
        "ü" * 32,
        "=" * 32,
    ]
    assert not any([await two[1].redeem(nonce) for nonce in forged])
    assert query(url, "SELECT count(*) FROM used_nonces") == [(0,)]
    assert await two[1].redeem(good)


async def test_one_lives_an_hour_and_its_use_is_remembered_for_longer(
    two: tuple[SharedNonces, SharedNonces], db: PostgresDatabase, clock: Clock, url: str
) -> None:
    used, late, early = two[0].issue(), two[0].issue(), two[0].issue()
    assert await two[0].redeem(used)
    clock.now += 59 * MINUTE
    assert await two[1].redeem(early)
    clock.now += 3 * MINUTE
    assert not await two[1].redeem(late)
    await db.write(two[0].forget())
    # Another node's clock may be behind ours: to it the nonce is as good as new.
    clock.now -= 60 * MINUTE
    assert not await two[1].redeem(used)
    clock.now += 240 * MINUTE
    await db.write(two[0].forget())
    assert query(url, "SELECT count(*) FROM used_nonces") == [(0,)]


async def test_after_a_crash_no_old_one_is_taken_and_the_next_is_good(
    two: tuple[SharedNonces, SharedNonces], url: str
) -> None:
    used, unused = two[0].issue(), two[0].issue()
    assert await two[0].redeem(used)
    # What a crash of the server does to tables without a log.
    query(url, "TRUNCATE nonce_keys")
    query(url, "TRUNCATE used_nonces")
    assert not any([await node.redeem(nonce) for node in two for nonce in (used, unused)])
    for node in two:
        assert await two[0].redeem(node.issue())


async def test_a_clock_that_is_set_back_repeats_none(two: tuple[SharedNonces, SharedNonces], clock: Clock) -> None:
    before = [two[0].issue() for _ in range(3)]
    clock.now -= 30 * MINUTE
    after = [two[0].issue() for _ in range(3)]
    assert len({*before, *after}) == 6
    assert all([await two[1].redeem(nonce) for nonce in (*before, *after)])
