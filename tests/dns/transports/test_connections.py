"""How many connections there may be, and what one may cost, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.message
import pytest

from tests.dns.asking import lab_catalog, lines, question, views
from zonemint.dns.answers.tally import Durations
from zonemint.dns.server import DnsServer
from zonemint.dns.transports.connections import Connections, network_of

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(*, limit: int = 256, per_client: int = 256) -> AsyncIterator[DnsServer]:
    server = DnsServer(views(lab_catalog()), tcp_limit=limit, tcp_per_client=per_client)
    await server.start(["127.0.0.1"], 0)
    try:
        async with asyncio.timeout(20):
            yield server
    finally:
        await server.close()


async def opened(server: DnsServer, host: str = "127.0.0.1") -> Streams:
    """Open a connection, which the server has noticed since it has answered."""
    streams = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(host, 0))
    await asked(streams)
    return streams


async def asked(streams: Streams) -> dns.message.Message:
    reader, writer = streams
    wire = question("www.lab.test.", "TXT").to_wire()
    writer.write(len(wire).to_bytes(2, "big") + wire)
    return dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))


async def is_closed(streams: Streams) -> bool:
    try:
        return await streams[0].read() == b""
    except ConnectionResetError:
        return True
    finally:
        streams[1].transport.abort()


async def test_one_client_cannot_take_the_places_of_all() -> None:
    async with serving(limit=10, per_client=3) as server:
        other = await opened(server, "127.0.0.2")
        own = [await opened(server) for _ in range(3)]
        await asked(own[0])
        own.append(await opened(server))
        assert await is_closed(own[1])
        for streams in (other, own[0], own[2], own[3]):
            assert lines((await asked(streams)).answer) == ['www 300 TXT "hello"']
            streams[1].transport.abort()


async def test_when_all_places_are_taken_the_quietest_goes_whoever_it_is() -> None:
    async with serving(limit=3, per_client=2) as server:
        first, second, third = [await opened(server, f"127.0.0.{n}") for n in (2, 3, 4)]
        await asked(first)
        fourth = await opened(server, "127.0.0.5")
        assert await is_closed(second)
        for streams in (first, third, fourth):
            await asked(streams)
            streams[1].transport.abort()


class Quiet:
    """A connection that says nothing."""

    network = b"\x7f\0\0\1"

    def abort(self) -> None:
        raise AssertionError


async def test_quiet_connections_have_less_time_when_it_is_crowded() -> None:
    connections = Connections(views(lab_catalog()), lambda: None, Durations(), limit=8, idle=100.0)
    now = asyncio.get_running_loop().time()
    places = [Quiet() for _ in range(7)]
    for one in places[:6]:
        connections.touch(one)
    assert connections.overdue(now + 99) == []
    assert connections.overdue(now + 200) == places[:6]
    connections.touch(places[6])
    connections.touch(places[0])
    assert connections.overdue(now + 19) == []
    assert connections.overdue(now + 30) == [*places[1:], places[0]]
    for one in places:
        connections.drop(one)
    assert len(connections) == 0


@pytest.mark.parametrize(("many", "turn"), [(0, 64), (1, 64), (8, 64), (16, 32), (100, 5), (512, 1), (2000, 1)])
async def test_the_more_connections_there_are_the_less_each_has_in_one_go(many: int, turn: int) -> None:
    """So a question by UDP waits for a part of a second at most, however many there are."""
    connections = Connections(views(lab_catalog()), lambda: None, Durations(), limit=5000, per_client=5000)
    opened = [Quiet() for _ in range(many)]
    for one in opened:
        connections.touch(one)
    assert connections.turn == turn
    for one in opened:
        connections.drop(one)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("c0000201", "c0000202", False),
        ("20010db8000000010000000000000001", "20010db80000000200000000000000ff", True),
        ("20010db8000001000000000000000001", "20010db8000002000000000000000001", False),
    ],
)
def test_an_ipv6_network_of_56_bits_is_one_client(one: str, other: str, same: bool) -> None:
    assert (network_of(bytes.fromhex(one)) == network_of(bytes.fromhex(other))) == same


async def test_one_byte_at_a_time() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        wire = question("www.lab.test.", "TXT").to_wire()
        for byte in len(wire).to_bytes(2, "big") + wire:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        assert dns.message.from_wire(reply).answer
        writer.transport.abort()


async def test_a_connection_keeps_no_more_than_a_message_and_a_read() -> None:
    """Who says that much comes, and sends a little less than that, over and over, is not kept in memory."""
    async with serving() as server:
        _, writer = await opened(server)
        (connection,) = server._connections._open
        writer.write(b"\xff\xff" + bytes(0xFFFF - 1))
        await writer.drain()
        other = await opened(server)
        assert len(connection._buffer) <= 2 + 0xFFFF  # type: ignore[attr-defined]
        # Its last byte makes it a message, and one that is rubbish.
        writer.write(b"\0" * 1_000_000)
        assert lines((await asked(other)).answer) == ['www 300 TXT "hello"']
        for one in (writer, other[1]):
            one.transport.abort()
