"""Keys and updates on several nodes with one PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable

import dns.asyncquery
import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest
import pytest_asyncio

from tests.app.nodes import Nodes, nodes
from tests.postgres import Postgres
from tests.web.fixtures import pytest_asyncio_loop_factories
from tests.web.lab import Lab
from zonemint.app import tsig_keys
from zonemint.store.postgres import PostgresDatabase

__all__ = ["pytest_asyncio_loop_factories"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZONE = "lab.test"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> AsyncIterator[Nodes]:
    async with nodes(tmp_path_factory.mktemp("two"), postgres.database(), keys=(True, False)) as two:
        yield two


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(two: Nodes) -> AsyncIterator[PostgresDatabase]:
    """The store as a command opens it."""
    one = await PostgresDatabase.open(two.config.store.database)
    yield one
    await one.close()


async def new_key(db: PostgresDatabase, two: Nodes, name: str) -> dns.tsig.Key:
    made = tsig_keys.new(
        name,
        "hmac-sha256",
        two.config,
        names=["*"],
        types=[],
        zones=[],
        transfers=False,
        by="test",
        now=time.time(),
    )
    await db.write(tsig_keys.create(made, actor="test", now=time.time()))
    return dns.tsig.Key(name, b64decode(made.secret), "hmac-sha256")


async def send(node: Lab, message: dns.message.Message) -> str:
    try:
        reply = await dns.asyncquery.udp(message, "127.0.0.1", port=node.server.dns_port, timeout=10)
    except dns.tsig.PeerBadKey:
        return "BADKEY"
    return dns.rcode.to_text(reply.rcode())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


def change(key: dns.tsig.Key, name: str, value: str) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(ZONE, keyring=key)
    message.add(name, 5, "TXT", value)
    return message


async def test_a_key_is_known_everywhere_and_so_is_its_end(two: Nodes, db: PostgresDatabase) -> None:
    key = await new_key(db, two, "everywhere")
    for number, node in enumerate(two.each):

        async def is_taken(node: Lab = node, number: int = number) -> bool:
            return await send(node, change(key, "known", str(number))) == "NOERROR"

        await until(is_taken)
    await db.write(tsig_keys.revoke("everywhere", actor="test", now=time.time()))
    for node in two.each:

        async def is_refused(node: Lab = node) -> bool:
            return await send(node, change(key, "known", "late")) == "BADKEY"

        await until(is_refused)


async def test_what_one_node_took_all_serve_and_a_condition_holds_for_all(two: Nodes, db: PostgresDatabase) -> None:
    key = await new_key(db, two, "race")

    async def is_known() -> bool:
        return [await send(node, dns.update.UpdateMessage(ZONE, keyring=key)) for node in two.each] == ["NOERROR"] * 2

    await until(is_known)
    for number in range(5):
        messages = []
        for which in range(6):
            message = change(key, f"race{number}", str(which))
            message.absent(f"race{number}")
            messages.append(message)
        said = await asyncio.gather(*(send(two.each[at % 2], message) for at, message in enumerate(messages)))
        assert sorted(said) == ["NOERROR"] + ["YXDOMAIN"] * 5
        value = str(said.index("NOERROR"))
        assert await two.each[said.index("NOERROR") % 2].texts(f"race{number}.{ZONE}") == [value]
        for node in two.each:

            async def is_served(node: Lab = node, number: int = number, value: str = value) -> bool:
                return await node.texts(f"race{number}.{ZONE}") == [value]

            await until(is_served)
