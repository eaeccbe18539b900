"""The sources of the auth zone on a real store: what they say, never stale, and what they refuse."""

from __future__ import annotations

import asyncio
import gc
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import dns.asyncquery
import dns.message
import dns.rcode
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dns.asking import lab_catalog, question, views
from zonemint.app.txt_values import AskedValues
from zonemint.core.errors import StoreUnavailable
from zonemint.dns.answers.services import Later
from zonemint.dns.server import DnsServer
from zonemint.dns.zones.zone import TxtValues
from zonemint.store import txt
from zonemint.store.database import Database, Sql, Steps
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.txt import TxtAccount

T = TypeVar("T")

ZONE = "auth.lab.test"
NOW = 1_800_000_000
LIFETIME = 3600.0


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteDatabase]:
    db = SqliteDatabase(folder / "store.db")
    yield db
    await db.close()


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with opened(tmp_path) as db:
        yield db


def account(label: str, zone: str = ZONE) -> Steps[None]:
    return txt.insert(TxtAccount(f"user of {label}", "", zone, label, (), NOW * 1000, "test"))


def put(label: str, value: str, *, age: float = 0) -> Steps[None]:
    return txt.put(label, value, now_ms=int((NOW - age) * 1000), source="test", keep=10)


def clock() -> float:
    return float(NOW)


@asynccontextmanager
async def asked(db: Database, *, limit: int = 1024, patience: float = 60.0) -> AsyncIterator[AskedValues]:
    values = AskedValues(db, ZONE, LIFETIME, clock, limit=limit, patience=patience)
    yield values
    await values.close()
    assert not len(values)


async def all_of(values: AskedValues, labels: Sequence[str]) -> list[TxtValues]:
    async with asyncio.timeout(10):
        return list(await asyncio.gather(*[values(label) for label in labels]))


class Counted:
    """A store that notes how many statements were read, and of how many texts."""

    def __init__(self, db: SqliteDatabase) -> None:
        self.failure = ""
        self.read_, self.write, self.write_soon, self.close = db.read, db.write, db.write_soon, db.close
        self.statements: list[str] = []

    async def read(self, steps: Steps[T]) -> T:
        return await self.read_(self._noted(steps))

    def _noted(self, steps: Steps[T]) -> Steps[T]:
        rows = None
        while True:
            try:
                step = steps.send(rows)  # type: ignore[arg-type]
            except StopIteration as stop:
                found: T = stop.value
                return found
            assert isinstance(step, Sql)
            self.statements.append(step.text)
            rows = yield step


class Slow(Counted):
    """A store over a slow network: what it read arrives when the test says so."""

    def __init__(self, db: SqliteDatabase) -> None:
        super().__init__(db)
        self.under_way: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.fast = False

    async def read(self, steps: Steps[T]) -> T:
        arrives: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        found = await super().read(steps)
        if not self.fast:
            self.under_way.put_nowait(arrives)
            await arrives
        return found

    async def next(self) -> asyncio.Future[None]:
        async with asyncio.timeout(5):
            return await self.under_way.get()


@pytest.mark.parametrize(("count", "reads"), [(1, 1), (2, 1), (8, 1), (9, 1), (64, 1), (65, 2), (200, 4)])
async def test_what_is_asked_at_once_is_read_at_once(db: SqliteDatabase, count: int, reads: int) -> None:
    labels = [f"label-{n}" for n in range(count)]
    for label in labels[::2]:
        await db.write(account(label))
        await db.write(put(label, f"value of {label}"))
    store = Counted(db)
    async with asked(store) as values:
        for _ in range(3):
            found = await all_of(values, labels * 2)
            assert found[:count] == [None if n % 2 else [f"value of label-{n}"] for n in range(count)]
            assert found[count:] == found[:count]
    assert len(store.statements) == 3 * reads
    assert len(set(store.statements)) <= 3


@pytest.mark.parametrize("busy", [1, 2])
async def test_a_question_does_not_join_a_read_that_is_under_way(db: SqliteDatabase, busy: int) -> None:
    """Neither where it can be read at once nor where it has to wait for a place."""
    await db.write(account("one"))
    store = Slow(db)
    async with asked(store) as values:
        early, reads = [], []
        for _ in range(busy):
            early.append(values("one"))
            reads.append(await store.next())
        await db.write(put("one", "told"))
        late = values("one")
        for arrives in reads:
            arrives.set_result(None)
        (await store.next()).set_result(None)
        assert await asyncio.gather(*early) == [[]] * busy
        assert await late == ["told"]


@settings(max_examples=40)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("update"), st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("arrive"), st.integers(0, 5)),
            st.tuples(st.just("turn"), st.integers(1, 3)),
        ),
        max_size=40,
    )
)
def test_no_answer_is_older_than_its_question(acts: list[tuple[str, str | int]]) -> None:
    """Whatever the order of questions, updates and late reads: a value that was on disk before is in the answer."""

    async def run(folder: Path) -> None:
        async with opened(folder) as db:
            for label in "abc":
                await db.write(account(label))
            store = Slow(db)
            reads: list[asyncio.Future[None]] = []
            newest = dict.fromkeys("abc", 0)
            questions: list[tuple[asyncio.Future[TxtValues], int]] = []
            async with asked(store) as values:
                for act, what in acts:
                    if act == "ask":
                        questions.append((values(str(what)), newest[str(what)]))
                    elif act == "update":
                        label = str(what)
                        await db.write(put(label, str(newest[label] + 1)))
                        newest[label] += 1
                    elif act == "arrive":
                        while not store.under_way.empty():
                            reads.append(store.under_way.get_nowait())
                        if reads:
                            reads.pop(int(what) % len(reads)).set_result(None)
                    else:
                        for _ in range(int(what)):
                            await asyncio.sleep(0)
                store.fast = True
                while not store.under_way.empty():
                    reads.append(store.under_way.get_nowait())
                for arrives in reads:
                    arrives.set_result(None)
                for answer, told in questions:
                    async with asyncio.timeout(5):
                        found = await answer
                    assert found is not None
                    assert int(found[0] if found else 0) >= told

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def test_a_store_that_fails_refuses_those_who_asked_and_no_others(db: SqliteDatabase, tmp_path: Path) -> None:
    await db.write(account("one"))
    async with asked(db) as values:
        assert await values("one") == []
        file = tmp_path / "store.db"
        file.rename(tmp_path / "elsewhere.db")
        db.look()
        questions = [values(label) for label in ("one", "none")]
        for question_ in questions:
            with pytest.raises(StoreUnavailable, match="removed or replaced"):
                await question_
        assert len(values) == 0
        (tmp_path / "elsewhere.db").rename(file)
    again = SqliteDatabase(file)
    async with asked(again) as values:
        assert await values("one") == []
    await again.close()


class Broken(Counted):
    """A store with a mistake in it."""

    async def read(self, steps: Steps[T]) -> T:
        steps.close()
        raise ZeroDivisionError


async def test_a_mistake_in_a_read_is_told_and_refuses(db: SqliteDatabase) -> None:
    async with asked(Broken(db)) as values:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await values("one")


async def comes_back(values: AskedValues) -> None:
    """Ask until there is an answer, as resolvers do."""
    async with asyncio.timeout(10):
        while True:
            with suppress(StoreUnavailable):
                assert await values("one") == []
                return


async def test_a_store_that_does_not_answer_is_not_waited_for_for_ever(db: SqliteDatabase) -> None:
    """Also by those whom no read has taken up, for all places are held by reads that hang."""
    await db.write(account("one"))
    store = Slow(db)
    async with asked(store, patience=0.05) as values:
        for _ in range(2):
            for answer in [values("one"), values("two"), values("one")]:
                with pytest.raises(StoreUnavailable, match="does not answer"):
                    await answer
            assert not len(values)
            assert not values._unread
        store.fast = True
        await comes_back(values)


class Stuck(Slow):
    """A slow store whose reads cannot even be given up."""

    async def read(self, steps: Steps[T]) -> T:
        reading = asyncio.ensure_future(super().read(steps))
        while not reading.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(reading)
        return reading.result()


async def test_reads_that_cannot_be_given_up_do_not_pile_up(db: SqliteDatabase) -> None:
    await db.write(account("one"))
    store = Stuck(db)
    async with asked(store, patience=0.02) as values:
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await values("one")
        assert len(store.statements) == 2
        assert not values._unread
        store.fast = True
        for _ in range(2):
            (await store.next()).set_result(None)
        await comes_back(values)


async def test_one_read_that_hangs_does_not_stop_the_others(db: SqliteDatabase) -> None:
    await db.write(account("one"))
    store = Slow(db)
    async with asked(store) as values:
        hanging = values("one")
        await store.next()
        for _ in range(3):
            answer = values("one")
            (await store.next()).set_result(None)
            assert await answer == []
        assert not hanging.done()
    with pytest.raises(StoreUnavailable, match="stops"):
        await hanging


async def test_too_many_questions_are_refused_at_once(db: SqliteDatabase) -> None:
    store = Slow(db)
    async with asked(store, limit=10) as values:
        answers = [values(str(n % 7)) for n in range(10)]
        for _ in range(1000):
            with pytest.raises(StoreUnavailable, match="too many"):
                values("more")
        (await store.next()).set_result(None)
        async with asyncio.timeout(5):
            assert await asyncio.gather(*answers) == [None] * 10
        answer = values("more")
        (await store.next()).set_result(None)
        assert await answer is None


@asynccontextmanager
async def serving(values: AskedValues) -> AsyncIterator[DnsServer]:
    server = DnsServer(views(lab_catalog(values)))
    await server.start(["127.0.0.1"], 0)
    try:
        yield server
    finally:
        await server.close()


def held() -> int:
    """How many answers wait, in all of memory."""
    gc.collect()
    return sum(isinstance(one, Later) for one in gc.get_objects())


async def test_a_flood_of_names_takes_no_more_than_its_room(db: SqliteDatabase) -> None:
    """Those beyond it get SERVFAIL at once, and so do those in it when the store does not answer."""
    store = Slow(db)
    async with asked(store, limit=100) as values, serving(values) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", server.port))
            for n in range(2000):
                client.send(question(f"{n:x}.auth.lab.test.", "TXT").to_wire())
                if n % 50 == 49:
                    await asyncio.sleep(0)
                assert len(values) <= 100
                assert sum(map(len, values._unread.values())) <= 100
            assert (await dns.asyncquery.udp(question("www.lab.test."), "127.0.0.1", 5, server.port)).answer
            assert 0 < held() <= 100
            await values.close()
            await asyncio.sleep(0)
        assert not held()
        counts = server.queries()
        assert counts.pop(("udp", "NOERROR")) == 1
        assert counts == {("udp", "SERVFAIL"): 2000}


async def test_closing_refuses_who_waits(db: SqliteDatabase) -> None:
    store = Slow(db)
    async with asked(store) as values:
        taken = values("taken")
        await store.next()
        unread = values("unread")
    for answer in (taken, unread):
        with pytest.raises(StoreUnavailable, match="stops"):
            await answer
    assert not values._reads
    assert not values._unread
