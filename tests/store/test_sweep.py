"""Removal: exactly what is past its time goes, with all that is its, and nothing else."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.postgres import Postgres
from zonemint.config import DataDir
from zonemint.core.trace import Event
from zonemint.store import (
    accounts,
    authorizations,
    certificates,
    orders,
    signings,
    sweep,
    traces,
    txt,
    validations,
)
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.certificates import Certificate
from zonemint.store.database import Sql, Step, Steps
from zonemint.store.opening import Store, open_store
from zonemint.store.orders import Identifier, Order
from zonemint.store.signings import Signing
from zonemint.store.sweep import Swept
from zonemint.store.txt import TxtAccount
from zonemint.store.validations import Pending

DAY = 86400
KEEP_ORDERS, KEEP_CERTIFICATES, KEEP_VALUES = 30 * DAY, 90 * DAY, DAY


class Case(NamedTuple):
    """An order made `gap` seconds after the one before it; `life` is its own, or that of its certificate if valid."""

    gap: int
    status: str
    life: int
    names: int = 1
    revoked: bool = False


@asynccontextmanager
async def opened(folder: Path, url: str = "") -> AsyncIterator[Store]:
    """A store with one account of each kind."""
    db = await open_store(url, DataDir(folder).database)
    try:
        await db.write(accounts.insert(Account("a", "acme", "t", "{}", "valid", (), None, 0, "test")))
        await db.write(txt.insert(TxtAccount("u", "h", "auth.test", "sub", (), 0, "test")))
        yield db
    finally:
        await db.close()


def add(number: int, case: Case, now: int) -> Steps[None]:
    """Store an order with all that can be its: authorizations, stories, what the validator owes, its certificate."""
    name, valid = f"{number:04}", case.status == "valid"
    ids = tuple(f"{name}-{one}" for one in range(case.names))
    for one in ids:
        challenge = Challenge("dns-01", "token", "pending")
        authz = Authorization(one, name, "a", "dns", "x.test", False, "pending", (challenge,), now, now + DAY)
        yield from authorizations.insert(authz)
        if case.status == "pending":
            yield from validations.add(Pending(one, "dns-01"), now=now, holder="n", until_ms=now * 1000)
    expires = now + (DAY if valid else case.life)
    identifiers = (Identifier("dns", "x.test"),)
    yield from orders.insert(
        Order(name, "a", "acme", case.status, identifiers, ids, "default", None, None, now, expires, f"5{name}", "p")
    )
    for _ in range(2):
        yield from traces.append(name, (Event(now, "order", "client"),))
    if case.status == "processing":
        yield from signings.add(Signing(name, name, (), b"csr", "k", "test", now))
    if valid:
        yield from add_certificate(f"5{name}", now + case.life, name)
        if case.revoked:
            yield from certificates.revoke(f"5{name}", now=now, reason=0)


def add_all(numbered: Iterable[tuple[int, Case]], now: int) -> Steps[None]:
    for number, case in numbered:
        yield from add(number, case, now)


def add_certificate(serial: str, ends: int, order_id: str | None = None, status: str = "valid") -> Steps[None]:
    account = order_id and "a"
    yield from certificates.insert(
        Certificate(
            serial, order_id, account, status, ("x.test",), "k", 0, ends, 0, None if status == "reserved" else b"der"
        )
    )


def column(sql: str) -> Steps[list[Any]]:
    rows = yield Sql(sql)
    return [row[0] for row in rows]


async def swept(db: Store, now: int, limit: int = 3, after: str = "") -> tuple[dict[str, int], str]:
    """Take every step that there is to take; return what is gone by kind, and the place among the orders."""
    gone: dict[str, int] = dict.fromkeys(sweep.KINDS, 0)

    async def walk(step: Callable[[str], Steps[Swept]], after: str = "") -> str:
        for _ in range(1000):
            done = await db.write(step(after))
            assert done.gone.get("orders", 0) <= limit
            for kind, count in done.gone.items():
                gone[kind] += count
            after = done.after
            if not done.more:
                return after
        raise AssertionError("it never ends")

    ended = now - KEEP_CERTIFICATES
    await walk(lambda _: sweep.certificates(ended_before=ended, limit=limit))
    await walk(lambda at: sweep.txt_values(at, older_than_ms=(now - KEEP_VALUES) * 1000, limit=limit))
    after = await walk(lambda at: sweep.orders(at, ended_before=now - KEEP_ORDERS, limit=limit), after)
    return gone, after


# Whole days: the moment at which something's time is just over comes up often.
days = st.integers(0, 200).map(lambda number: number * DAY)
cases = st.builds(
    Case,
    gap=st.sampled_from([0, 1, DAY, 3 * DAY]),
    status=st.sampled_from(["pending", "ready", "processing", "invalid", "valid", "valid"]),
    life=st.sampled_from([1, DAY, DAY, 7 * DAY]) | days,
    names=st.integers(1, 3),
    revoked=st.booleans(),
)


@settings(max_examples=100)
@given(
    made=st.lists(cases, max_size=25),
    own=st.lists(st.tuples(days, st.sampled_from(["valid", "reserved"])), max_size=5),
    values=st.lists(st.integers(0, 3).map(lambda number: number * DAY), max_size=5),
    rounds=st.lists(st.integers(0, 5).map(lambda number: number * DAY) | days, min_size=1, max_size=5),
    limit=st.sampled_from([1, 2, 3, 200]),
)
async def test_exactly_what_is_past_its_time_goes(
    made: list[Case], own: list[tuple[int, str]], values: list[int], rounds: list[int], limit: int
) -> None:
    now = 1_700_000_000
    born: dict[str, tuple[Case, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as db:
            for number, case in enumerate(made):
                now += case.gap
                born[f"{number:04}"] = (case, now)
                await db.write(add(number, case, now))
            alone = {f"6{number:04}": (now + life, status) for number, (life, status) in enumerate(own)}
            for serial, (ends, status) in alone.items():
                await db.write(add_certificate(serial, ends, status=status))
            set_at = {f"v{number}": (now - age) * 1000 for number, age in enumerate(values)}
            for value, at in set_at.items():
                await db.write(txt.put("sub", value, now_ms=at, source="test", keep=10))
            after = ""
            for later in [*rounds, 1000 * DAY]:
                now += later
                listed = await db.read(certificates.revoked("", after=(now, ""), before=0, limit=10_000))
                _, after = await swept(db, now, limit, after)
                left = _left(born, now)
                assert await db.read(column("SELECT id FROM orders ORDER BY id")) == left
                ids = [f"{one}-{number}" for one in left for number in range(born[one][0].names)]
                assert await db.read(column("SELECT id FROM authorizations ORDER BY id")) == ids
                owed = [one for one in ids if born[one[:4]][0].status == "pending"]
                assert await db.read(column("SELECT authorization_id FROM validations ORDER BY 1")) == owed
                assert await db.read(column("SELECT order_id FROM traces ORDER BY 1")) == sorted([*left, *left])
                waiting = [one for one in left if born[one][0].status == "processing"]
                assert await db.read(column("SELECT order_id FROM signings ORDER BY 1")) == waiting
                serials = [f"5{one}" for one in left if born[one][0].status == "valid"]
                serials += [serial for serial, (ends, _) in alone.items() if ends >= now - KEEP_CERTIFICATES]
                assert await db.read(column("SELECT serial FROM certificates ORDER BY 1")) == sorted(serials)
                served = sorted(value for value, at in set_at.items() if at >= (now - KEEP_VALUES) * 1000)
                assert await db.read(column("SELECT value FROM txt_values ORDER BY 1")) == served
                assert await db.read(column("PRAGMA foreign_key_check")) == []
                assert await db.read(certificates.revoked("", after=(now, ""), before=0, limit=10_000)) == listed
                assert await swept(db, now, limit, after) == (dict.fromkeys(sweep.KINDS, 0), after)
            assert await db.read(column("SELECT id FROM orders")) == []
            assert await db.read(column("SELECT id FROM accounts")) == ["a"]


def _left(born: dict[str, tuple[Case, int]], now: int) -> list[str]:
    """What has to be there: orders with a certificate that is kept, and others until all before them have ended."""
    left, waiting = [], False
    for name, (case, at) in born.items():
        end = at + case.life
        if case.status == "valid":
            stays = end >= now - KEEP_CERTIFICATES
        else:
            stays = waiting = waiting or end >= now - KEEP_ORDERS
        left += [name] * stays
    return left


async def test_an_order_of_many_names_goes_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        await db.write(add(1, Case(0, "valid", DAY, names=100), 0))
        await db.write(add(2, Case(0, "invalid", DAY, names=51), 0))
        gone, _ = await swept(db, 1000 * DAY)
        assert gone == {"certificates": 1, "orders": 2, "authorizations": 151, "txt_values": 0}


async def test_what_is_due_is_found_without_reading_what_is_not(tmp_path: Path) -> None:
    finders = [
        sweep.certificates(ended_before=0, limit=1),
        sweep.orders("", ended_before=0, limit=1),
        sweep.txt_values("", older_than_ms=0, limit=1),
        certificates.revoked("", after=(0, ""), before=0, limit=10_000),
    ]

    def plan(sql: Step) -> Steps[str]:
        assert isinstance(sql, Sql)
        rows = yield Sql(f"EXPLAIN QUERY PLAN {sql.text}", sql.args)
        return "; ".join(row[3] for row in rows)

    async with opened(tmp_path) as db:
        for sql in map(next, finders):
            assert "SCAN" not in await db.read(plan(sql))


async def test_what_refers_to_what_goes_has_an_index_for_it(tmp_path: Path) -> None:
    """Else each deletion would look through a whole table for rows that must not be there."""
    references = (
        "SELECT t.name || '.' || f.\"from\" FROM sqlite_master AS t, pragma_foreign_key_list(t.name) AS f "
        "WHERE t.type = 'table' AND f.\"table\" IN ('orders', 'authorizations', 'certificates')"
    )
    indexed = (
        "SELECT t.name || '.' || c.name FROM sqlite_master AS t, pragma_index_list(t.name) AS i, "
        "pragma_index_info(i.name) AS c WHERE t.type = 'table' AND c.seqno = 0 AND i.partial = 0"
    )
    async with opened(tmp_path) as db:
        found = await db.read(column(references))
        assert "traces.order_id" in found
        assert set(found) <= set(await db.read(column(indexed)))


async def test_a_store_in_use_stops_growing(tmp_path: Path) -> None:
    """Nine certificates of three days, three failures and a value a day."""
    sizes, rows, after = [], [], ""
    day_of_work = [Case(0, "valid", 3 * DAY)] * 9 + [Case(0, "invalid", DAY)] * 3
    async with opened(tmp_path) as db:
        for day in range(150):
            now = day * DAY
            await db.write(add_all(enumerate(day_of_work, day * len(day_of_work)), now))
            await db.write(txt.put("sub", f"{day}", now_ms=now * 1000, source="test", keep=10))
            _, after = await swept(db, now, 50, after)
            sizes += await db.read(column("PRAGMA page_count"))
            rows += await db.read(column("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM traces)"))
    full = KEEP_CERTIFICATES // DAY + 5
    assert rows[full] > 2 * rows[full // 3]
    assert set(rows[full:]) == {rows[full]}
    assert max(sizes) < 1.05 * sizes[full]


async def test_each_goes_in_the_second_after_its_time_and_not_before(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        await db.write(add(1, Case(0, "invalid", DAY), 0))
        await db.write(add(2, Case(0, "valid", DAY), 0))
        await db.write(txt.put("sub", "value", now_ms=0, source="test", keep=10))
        for kind, time in (
            ("txt_values", KEEP_VALUES),
            ("orders", DAY + KEEP_ORDERS),
            ("certificates", DAY + KEEP_CERTIFICATES),
        ):
            assert not any((await swept(db, time))[0].values())
            assert (await swept(db, time + 1))[0][kind] == 1


def test_an_order_that_is_fulfilled_while_it_is_to_be_removed_stays() -> None:
    """On a server database, its status changes between the look and the removal."""
    steps = sweep.orders("", ended_before=10, limit=5)
    next(steps)
    end = steps.send([("an-order", "processing", 9)])
    assert isinstance(end, Sql)
    assert end.text.startswith("UPDATE orders")
    with pytest.raises(StopIteration) as done:
        steps.send([])
    assert done.value.value == Swept({"orders": 0, "authorizations": 0}, False, "an-order")


async def test_on_postgresql_two_nodes_remove_the_same_and_no_more(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.database()
    made = [Case(0, status, DAY, 2) for status in ("pending", "ready", "processing", "invalid", "valid")] * 20
    async with opened(tmp_path, url) as db:
        await db.write(add_all(enumerate(made), 0))
        await db.write(add_all(enumerate(made, len(made)), 200 * DAY))
        await db.write(add_certificate("7", DAY))
        await db.write(txt.put("sub", "value", now_ms=0, source="test", keep=10))
        other = await open_store(url, tmp_path)
        listed = await db.read(certificates.revoked("", after=(200 * DAY, ""), before=0, limit=10_000))
        (one, after), (two, _) = await asyncio.gather(swept(db, 200 * DAY, 10), swept(other, 200 * DAY, 10))
        await other.close()
        assert {kind: one[kind] + two[kind] for kind in sweep.KINDS} == {
            "certificates": 21,
            "orders": 100,
            "authorizations": 200,
            "txt_values": 1,
        }
        assert await db.read(certificates.revoked("", after=(200 * DAY, ""), before=0, limit=10_000)) == listed
        assert await db.read(column("SELECT count(*) FROM orders")) == [100]
        await swept(db, 1000 * DAY, 10, after)
        for table in ("orders", "authorizations", "validations", "traces", "signings", "certificates", "txt_values"):
            assert await db.read(column(f"SELECT count(*) FROM {table}")) == [0]
