"""Several servers: who is asked first, who next and when, who is left out, and what the client is told."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.dns.forward.servers import HOST, QUICK, Answering, Server, made, pool, question, serving, silent, until
from zonemint.core.errors import DnsFailure
from zonemint.dns import codes
from zonemint.dns.forward.pool import Patience, Pool
from zonemint.dns.forward.replies import Read
from zonemint.dns.forward.upstream import Endpoint

ADDRESS = made("@ 60 A 192.0.2.1")
OTHER = made("@ 60 A 192.0.2.2")
WWW = question("www.example")


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        yield stack


async def start(
    stack: AsyncExitStack, *answering: Answering, policy: str = "sequential", patience: Patience = QUICK
) -> tuple[Pool, list[Server]]:
    servers = [await stack.enter_async_context(serving(one)) for one in answering]
    found = pool(*[one.endpoint for one in servers], policy=policy, patience=patience)
    stack.callback(found.close)
    return found, servers


def address(found: Read) -> str:
    assert found.conclusive
    return ".".join(map(str, found.foreign.tail[-4:]))


def asked(server: Server) -> int:
    """Count the questions that clients had, without probes."""
    return sum(message[12:13] == b"\3" for message in server.messages["udp"])


async def test_the_first_is_asked_as_long_as_it_answers(stack: AsyncExitStack) -> None:
    found, (first, second) = await start(stack, ADDRESS, OTHER)
    for _ in range(5):
        assert address(await found.ask(WWW)) == "192.0.2.1"
    assert (asked(first), asked(second)) == (5, 0)


async def test_policies(stack: AsyncExitStack) -> None:
    for policy in ("round_robin", "random"):
        found, _ = await start(stack, ADDRESS, OTHER, policy=policy)
        counts = Counter([address(await found.ask(WWW)) for _ in range(40)])
        assert len(counts) == 2
        if policy == "round_robin":
            assert set(counts.values()) == {20}


def broken(message: bytes) -> list[bytes]:
    """Say that there is a record, and bring none."""
    return [message[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + message[12:-11]]


@pytest.mark.parametrize("bad", [made(rcode=2), made(rcode=5), broken])
async def test_a_server_that_fails_costs_nothing(stack: AsyncExitStack, bad: Answering) -> None:
    found, _ = await start(stack, bad, OTHER, patience=Patience(timeout=10.0, deadline=15.0))
    assert address(await found.ask(WWW)) == "192.0.2.2"


async def test_a_server_that_is_not_there_costs_nothing(stack: AsyncExitStack) -> None:
    async with serving(silent) as gone:
        pass
    other = await stack.enter_async_context(serving(OTHER))
    found = pool(gone.endpoint, other.endpoint, patience=Patience(timeout=10.0, deadline=15.0))
    stack.callback(found.close)
    assert address(await found.ask(WWW)) == "192.0.2.2"


async def test_a_silent_server_costs_a_moment_and_is_then_left_out(stack: AsyncExitStack) -> None:
    found, (first, second) = await start(stack, silent, OTHER)
    for _ in range(6):
        assert address(await found.ask(WWW)) == "192.0.2.2"
    assert (asked(first), asked(second)) == (2, 6)
    assert not found.asks(found.upstreams[0])


async def test_it_is_asked_again_when_it_answers_a_probe(stack: AsyncExitStack) -> None:
    found, (first, _) = await start(stack, silent, OTHER)
    for _ in range(3):
        await found.ask(WWW)
    assert not found.asks(found.upstreams[0])
    first.answering["udp"] = made(rcode=5)
    await until(lambda: found.asks(found.upstreams[0]))
    probes = [message for message in first.messages["udp"] if message[12:17] == b"\0\0\2\0\1"]
    assert probes
    first.answering["udp"] = ADDRESS
    assert address(await found.ask(WWW)) == "192.0.2.1"


async def test_a_datagram_may_be_lost(stack: AsyncExitStack) -> None:
    found, (only,) = await start(stack, silent)
    waiting = asyncio.create_task(found.ask(WWW))
    await until(lambda: asked(only) == 1)
    only.answering["udp"] = ADDRESS
    assert address(await waiting) == "192.0.2.1"
    assert asked(only) == 2


async def test_a_server_that_answers_others_is_there(stack: AsyncExitStack) -> None:
    """A name whose own servers are slow tells nothing of the resolver that asks them."""

    def slow(message: bytes) -> Iterable[bytes]:
        return [] if message[12:13] == b"\4" else ADDRESS(message)

    found, (first, _) = await start(stack, slow, OTHER)
    for _ in range(3):
        waiting = asyncio.create_task(found.ask(question("slow.example")))
        await until(lambda: bool(first.messages["udp"]))
        assert address(await found.ask(WWW)) == "192.0.2.1"
        assert address(await waiting) == "192.0.2.2"
    assert found.upstreams[0].fails == 0


async def test_all_are_silent(stack: AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()
    found, servers = await start(stack, silent, silent, patience=Patience(timeout=0.1, deadline=0.6))
    began = loop.time()
    said = await found.ask(WWW)
    assert (said.foreign.rcode, said.conclusive) == (codes.SERVFAIL, False)
    assert said.foreign.error[4:6] == b"\0\x16"
    assert loop.time() - began >= 0.5
    assert [asked(one) for one in servers] == [2, 2]
    # Later one of them is tried, at random.
    await found.ask(WWW)
    assert sum(asked(one) for one in servers) <= 6
    assert found.broken == 1


async def test_a_failure_is_told_when_there_is_nothing_better(stack: AsyncExitStack) -> None:
    found, _ = await start(stack, made(rcode=2), made(rcode=5))
    assert (await found.ask(WWW)).foreign.rcode == 5


async def test_want_of_sockets_is_not_the_servers_fault(stack: AsyncExitStack) -> None:
    """A flood may use up what this process may open, and must not cost it the servers."""
    found, _ = await start(stack, ADDRESS)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), limits[1]))
        try:
            said = await found.ask(WWW)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert said.foreign.rcode == codes.SERVFAIL
    assert found.upstreams[0].fails == 0
    assert address(await found.ask(WWW)) == "192.0.2.1"


async def test_nobody_to_ask() -> None:
    said = await pool().ask(WWW)
    assert said.foreign.rcode == codes.SERVFAIL


async def test_what_leads_back_to_us_is_not_asked(stack: AsyncExitStack) -> None:
    found, (first, second) = await start(stack, ADDRESS, OTHER)
    found.upstreams[0].is_loop = True
    assert address(await found.ask(WWW)) == "192.0.2.2"
    found.upstreams[1].is_loop = True
    assert (await found.ask(WWW)).foreign.rcode == codes.SERVFAIL
    assert (asked(first), asked(second)) == (0, 1)


async def test_a_port_that_nobody_has_is_a_failure() -> None:
    upstream = pool(Endpoint("udp", HOST, 1)).upstreams[0]
    with pytest.raises(DnsFailure):
        await upstream.ask(WWW)
