"""Transactions: whole or not at all, on disk when answered, and one after the other where they take a lock."""

from __future__ import annotations

import asyncio

import pytest

from tests.battery.conftest import Opener
from zonemint.core.errors import StoreError, StoreUnavailable
from zonemint.store import txt, validations
from zonemint.store.database import Lock, Sql, Steps
from zonemint.store.opening import Store
from zonemint.store.validations import Pending


def put(number: int) -> Steps[int]:
    """Write one row and read it back in the same transaction."""
    yield Sql("INSERT INTO blocked_keys (key_hash, blocked_at, reason) VALUES ($1, $2, 'test')", (str(number), number))
    rows = yield Sql("SELECT blocked_at FROM blocked_keys WHERE key_hash = $1", (str(number),))
    found: int = rows[0][0]
    return found


def numbers() -> Steps[list[int]]:
    rows = yield Sql("SELECT blocked_at FROM blocked_keys ORDER BY blocked_at")
    return [row[0] for row in rows]


async def test_a_transaction_returns_its_result_and_others_see_it(db: Store, another: Opener) -> None:
    assert await db.write(put(1)) == 1
    assert await (await another()).read(numbers()) == [1]


async def test_an_error_inside_undoes_all_of_it_and_nothing_else(db: Store) -> None:
    def fails() -> Steps[None]:
        yield from put(2)
        raise KeyError("ours")

    done = await asyncio.gather(db.write(put(1)), db.write(fails()), db.write(put(3)), return_exceptions=True)
    assert [type(one) for one in done] == [int, KeyError, int]
    assert await db.read(numbers()) == [1, 3]


async def test_a_transaction_without_a_statement_is_one(db: Store) -> None:
    def nothing() -> Steps[str]:
        return "done"
        yield

    assert await db.write(nothing()) == "done"
    assert await db.read(nothing()) == "done"


async def test_many_at_once_are_all_done(db: Store, another: Opener) -> None:
    other = await another()
    results = await asyncio.gather(*((db, other)[number % 2].write(put(number)) for number in range(200)))
    assert sorted(results) == list(range(200))
    assert await db.read(numbers()) == list(range(200))


async def test_what_holds_a_lock_sees_what_the_last_holder_left(db: Store, another: Opener) -> None:
    """Each reads the highest number and writes the next one: without the lock, two would write the same."""

    def count_up() -> Steps[int]:
        yield Lock("numbers")
        found = yield from numbers()
        return (yield from put(max(found, default=0) + 1))

    other = await another()
    results = await asyncio.gather(*((db, other)[turn % 2].write(count_up()) for turn in range(60)))
    assert sorted(results) == list(range(1, 61))


async def test_locks_of_other_names_are_not_waited_for(db: Store, another: Opener) -> None:
    def both(first: str, second: str, number: int) -> Steps[int]:
        yield Lock(first)
        yield Lock(second)
        yield Lock(first)
        return (yield from put(number))

    other = await another()
    work = [(db, other)[turn % 2].write(both(f"a{turn}", f"b{turn}", turn)) for turn in range(20)]
    assert sorted(await asyncio.gather(*work)) == list(range(20))


async def test_a_write_that_may_be_lost_is_done_before_the_store_is_closed(another: Opener) -> None:
    one = await another()
    two = await another()
    for number in range(50):
        one.write_soon(put(number))
    await another.close(one)
    assert await two.read(numbers()) == list(range(50))


async def test_a_write_that_may_be_lost_and_fails_is_nobody_elses_failure(db: Store) -> None:
    await db.write(put(1))
    db.write_soon(put(1))
    assert await db.write(put(2)) == 2


async def test_a_row_that_needs_another_is_refused(db: Store) -> None:
    with pytest.raises(StoreError):
        await db.write(validations.add(Pending("nothing", "dns-01"), now=1, holder="", until_ms=0))
    with pytest.raises(StoreError):
        await db.write(txt.put("nobody", "x" * 43, now_ms=1, source="test", keep=2))
    assert await db.write(put(1)) == 1


async def test_a_statement_that_is_wrong_is_an_error_and_no_unavailability(db: Store) -> None:
    def wrong() -> Steps[None]:
        yield Sql("SELECT nothing FROM nowhere")

    for call in (db.read, db.write):
        with pytest.raises(StoreError) as refused:
            await call(wrong())
        if type(db).__name__ == "PostgresDatabase":
            assert not isinstance(refused.value, StoreUnavailable)
    assert await db.write(put(1)) == 1


@pytest.mark.parametrize("text", ["ü€😀", "", "x" * 100_000, "a'b\"c;--", "\\x00\n\t"])
async def test_text_comes_back_as_it_was(db: Store, text: str) -> None:
    def keep() -> Steps[str]:
        yield Sql("INSERT INTO blocked_keys (key_hash, blocked_at, reason) VALUES ('k', 1, $1)", (text,))
        rows = yield Sql("SELECT reason FROM blocked_keys")
        found: str = rows[0][0]
        return found

    assert await db.write(keep()) == text


async def test_a_name_that_no_row_can_have_is_not_found(db: Store) -> None:
    assert await db.read(txt.by_username("a\0b")) is None
