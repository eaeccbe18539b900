"""The auth zone's values as DNS gives them, whichever store they are in and whichever node they were told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.asyncquery
import pytest

from tests.battery.conftest import Opener
from tests.dns.asking import lab_catalog, lines, question, views
from zonemint.app.txt_values import AskedValues, StoredValues
from zonemint.dns.server import DnsServer
from zonemint.store import txt
from zonemint.store.database import Steps
from zonemint.store.opening import Store
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.txt import TxtAccount

ZONE = "auth.lab.test"
NOW = 1_800_000_000
LIFETIME = 3600.0


def account(label: str, zone: str = ZONE) -> Steps[None]:
    return txt.insert(TxtAccount(f"user of {label}", "", zone, label, (), NOW * 1000, "test"))


def put(label: str, value: str, *, age: float = 0) -> Steps[None]:
    return txt.put(label, value, now_ms=int((NOW - age) * 1000), source="test", keep=10)


def clock() -> float:
    return float(NOW)


@asynccontextmanager
async def asked(db: Store) -> AsyncIterator[AskedValues]:
    values = AskedValues(db, ZONE, LIFETIME, clock, patience=60)
    yield values
    await values.close()


async def test_both_sources_say_what_the_store_holds(db: Store) -> None:
    for steps in (
        account("full"),
        put("full", "first"),
        put("full", "second"),
        put("full", "first"),
        account("bare"),
        account("old"),
        put("old", "expired", age=LIFETIME + 1),
        account("half"),
        put("half", "expired", age=LIFETIME + 1),
        put("half", "lasting", age=LIFETIME - 1),
        account("foreign", "auth.other.test"),
        put("foreign", "secret"),
    ):
        await db.write(steps)
    expected = {"full": ["first", "second"], "bare": [], "old": [], "half": ["lasting"], "foreign": None, "none": None}
    async with asked(db) as values:
        assert dict(zip(expected, await asyncio.gather(*map(values, expected)), strict=True)) == expected
        for label, served in expected.items():
            assert await values(label) == served
    if isinstance(db, SqliteDatabase):
        stored = StoredValues(db, ZONE, LIFETIME, clock)
        assert {label: stored(label) for label in expected} == expected


@pytest.mark.parametrize("count", [1, 2, 8, 9, 64, 65, 200])
async def test_any_number_of_names_at_once(db: Store, count: int) -> None:
    labels = [f"label-{n}" for n in range(count)]
    for label in labels[::2]:
        await db.write(account(label))
        await db.write(put(label, f"value of {label}"))
    async with asked(db) as values:
        found = await asyncio.gather(*map(values, labels * 2))
    assert found == [None if n % 2 else [f"value of label-{n}"] for n in range(count)] * 2


async def test_the_query_after_an_update_sees_the_value(db: Store, another: Opener) -> None:
    """Whichever node took the update, while others ask for the same name all the time."""
    await db.write(account("one"))
    nodes = [db, await another()]
    async with asked(db) as values:
        server = DnsServer(views(lab_catalog(values)))
        await server.start(["127.0.0.1"], 0)
        over = False

        async def pester() -> None:
            while not over:
                await dns.asyncquery.udp(question("one.auth.lab.test.", "TXT"), "127.0.0.1", 5, server.port)

        others = [asyncio.create_task(pester()) for _ in range(5)]
        try:
            for n in range(50):
                await nodes[n % 2].write(put("one", f"value {n}"))
                ask = dns.asyncquery.tcp if n % 5 == 0 else dns.asyncquery.udp
                reply = await ask(question("_acme-challenge.server-1.lab.test.", "TXT"), "127.0.0.1", 5, server.port)
                assert f'one.auth 1 TXT "value {n}"' in lines(reply.answer)
        finally:
            over = True
            await asyncio.gather(*others)
            await server.close()
