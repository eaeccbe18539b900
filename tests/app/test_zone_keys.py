"""Which keys stay and which go, and what the parent should have, in each state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from zonemint.app import zone_keys
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.store import dnssec_keys
from zonemint.store.database import Steps
from zonemint.store.dnssec_keys import DnssecKey, State
from zonemint.store.opening import Store, open_store

ZONE = "lab.test"


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store("", tmp_path / "zonemint.db")
    yield store
    await store.close()


def key(state: State, created_at: int) -> DnssecKey:
    made = SigningKey.generate(Algorithm.ED25519)
    return DnssecKey(ZONE, made.tag, "ed25519", made.private_bytes(), state, created_at, created_at)


async def keep(db: Store, *keys: DnssecKey) -> None:
    def steps() -> Steps[None]:
        for one in keys:
            yield from dnssec_keys.insert(one)

    await db.write(steps())


async def test_a_key_that_is_known_replaces_those_before_it(db: Store) -> None:
    old, new = key(State.ACTIVE, 1), key(State.KNOWN, 2)
    await keep(db, old, new)
    assert await db.write(zone_keys.moved(new, State.ACTIVE, now=9))
    assert [(one.tag, one.state) for one in await db.read(dnssec_keys.of_zone(ZONE))] == [(new.tag, State.ACTIVE)]


async def test_a_key_that_is_to_be_replaced_leaves_the_next_one(db: Store) -> None:
    old, new = key(State.KNOWN, 1), key(State.READY, 2)
    await keep(db, old, new)
    assert await db.write(zone_keys.moved(old, State.ACTIVE, now=9))
    assert [one.tag for one in await db.read(dnssec_keys.of_zone(ZONE))] == [old.tag, new.tag]


async def test_of_two_nodes_one_moves_a_key(db: Store) -> None:
    one = key(State.NEW, 1)
    await keep(db, one)
    assert await db.write(zone_keys.moved(one, State.READY, now=9))
    assert not await db.write(zone_keys.moved(one, State.READY, now=9))
    assert "private" not in repr(one)


def test_the_parent_is_asked_for_the_newest_key_that_is_ready() -> None:
    old, new = key(State.ACTIVE, 1), key(State.NEW, 2)
    assert zone_keys.announced([new]) == []
    assert zone_keys.announced([old, new]) == [old]
    ready = key(State.READY, 2)
    assert zone_keys.announced([old, ready]) == [ready]
    assert zone_keys.announced([key(State.LEAVING, 1), ready]) == []
