"""HTTP/1.1 connections: what strangers send in whatever pieces, and how much of it a connection holds."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from zonemint.web import problems
from zonemint.web.dispatch import Dispatcher, Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.http1 import Connection, Connections
from zonemint.web.reply import Reply

BOUNDED = settings(max_examples=300)
BIG = 4 << 20  # octets of the reply at /big


async def echo(call: Call) -> Reply:
    """Say what arrived."""
    await asyncio.sleep(0)
    return Reply(f"{call.method} {call.url_path} {call.query} {sorted(call.headers.items())} {call.body!r}")


async def big(call: Call) -> Reply:
    return Reply(b"x" * BIG)


def dispatcher() -> Dispatcher:
    def endpoint(handlers: dict[str, object]) -> Endpoint:
        return Endpoint(handlers, on_error=problems.response, sources=Sources())  # type: ignore[arg-type]

    routes = [Route("/echo/{name}", endpoint({"GET": echo, "POST": echo})), Route("/big", endpoint({"GET": big}))]
    return Dispatcher(routes, missing=endpoint({}))


class Wire(asyncio.Transport):
    """The other end of a connection, which gets exactly the pieces that a test gives."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def replies(pieces: list[bytes]) -> tuple[bytes, bool]:
    """Give a connection these pieces; return what it answered, without what time changes, and whether it closed."""
    connections, wire = Connections(dispatcher()), Wire()
    connection = Connection(connections)
    failures: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    try:
        with structlog.testing.capture_logs() as logs:
            connection.connection_made(wire)
            for piece in pieces:
                if not wire.closed:
                    connection.data_received(piece)
                while connections.tasks:
                    await asyncio.wait(connections.tasks)
            connection.connection_lost(None)
    finally:
        loop.set_exception_handler(None)
        connections.abort()
    assert not failures
    assert not logs
    return re.sub(rb"date: [^\r]*\r\n|HTTP/1.1 100 Continue\r\n\r\n", b"", wire.written), wire.closed


def statuses(answered: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answered)]


def split(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds) if start < end]


REQUESTS = (
    b"GET /echo/a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /echo/%2f%00 HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n",
    b"POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    b"POST /echo/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: t\r\n\r\n",
    b"POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nhello",
    b"GET http://b/echo/a HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /echo/a HTTP/1.1\r\n\r\n",
    b"GET /echo/a HTTP/1.0\r\n\r\n",
    b"GET /echo/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /echo/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
)
PLACES = st.lists(st.integers(0, 5000), max_size=12)


@BOUNDED
@given(requests=st.lists(st.sampled_from(REQUESTS), max_size=6), places=PLACES)
async def test_the_replies_are_the_same_whatever_the_pieces(requests: list[bytes], places: list[int]) -> None:
    stream = b"".join(requests)
    assert await replies(split(stream, places)) == await replies([stream])


@BOUNDED
@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=4),
    changes=st.lists(
        st.tuples(
            st.integers(0, 500),
            st.integers(0, 3),
            st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"\0", b" ", b":", b",", b"0", b"\xff"])
            | st.binary(max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
    places=PLACES,
)
async def test_so_are_those_to_broken_requests(
    requests: list[bytes], changes: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    stream = b"".join(requests)
    for place, taken, put in changes:
        place %= len(stream)
        stream = stream[:place] + put + stream[place + taken :] or b"x"
    assert await replies(split(stream, places)) == await replies([stream])


@BOUNDED
@given(stream=st.binary(max_size=200), places=PLACES)
async def test_any_octets_are_survived(stream: bytes, places: list[int]) -> None:
    await replies(split(stream, places))


REFUSED = {
    "both lengths": (
        b"POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "two lengths": (b"POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
    "a signed length": (b"POST /echo/a HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
    "a coding that is not the last": (
        b"POST /echo/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        400,
    ),
    "a coding that we do not have": (
        b"POST /echo/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    "a folded header": (b"GET /echo/a HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
    "a space before the colon": (b"GET /echo/a HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "a bare line feed": (b"GET /echo/a HTTP/1.1\nHost: a\n\n", 400),
    "no host": (b"GET /echo/a HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /echo/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "another version": (b"GET /echo/a HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "a chunk beyond all numbers": (
        b"POST /echo/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        400,
    ),
    "a head of 40 kB": (b"GET /echo/a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n", 431),
    "10000 headers": (b"GET /echo/a HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 10000 + b"\r\n", 431),
    "a target of 40 kB": (b"GET /echo/" + b"x" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("size", [1, 1000, 10**6])
async def test_what_is_not_clear_is_refused_after_what_came_before(sent: bytes, status: int, size: int) -> None:
    stream = REQUESTS[0] * 3 + sent + REQUESTS[0]
    answered, closed = await replies([stream[at : at + size] for at in range(0, len(stream), size)])
    assert statuses(answered) == [200, 200, 200, status]
    assert closed


async def test_a_trailer_is_no_header_of_its_request_or_the_next() -> None:
    trailed = (
        b"POST /echo/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nX-Other: y\r\n\r\n"
    )
    answered, _ = await replies([trailed + REQUESTS[0]])
    assert statuses(answered) == [200, 200]
    assert b"x-forwarded-for" not in answered
    assert b"x-other" not in answered


HEAD = b"POST /echo/a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "empty lines": (b"", b"\r\n"),
    "a method": (b"", b"G"),
    "a target": (b"GET /", b"x"),
    "a header's name": (HEAD, b"x"),
    "a header's value": (HEAD + b"X: ", b"x"),
    "headers": (HEAD, b"x:y\r\n"),
    "a body": (CHUNKED, b"1000\r\n" + b"x" * 0x1000 + b"\r\n"),
    "an announced body": (HEAD + b"Content-Length: 99999999\r\n\r\n", b"x"),
    "an extension of a chunk": (CHUNKED + b"1;", b"x"),
    "a trailer": (CHUNKED + b"0\r\nX:", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"x:y\r\n"),
}


@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("size", [7, 65536])
async def test_what_never_ends_is_cut_off(start: bytes, more: bytes, size: int) -> None:
    stream = start + more * (1000000 // len(more))
    answered, closed = await replies([stream[at : at + size] for at in range(0, len(stream), size)])
    assert closed
    assert statuses(answered)[0] in (400, 413, 431)


# Over real connections.


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Connections, asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    connections = Connections(dispatcher())
    async with asyncio.timeout(20), await loop.create_server(lambda: Connection(connections), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 16)
        yield connections, reader, writer
        writer.close()
        connections.abort()


async def test_a_client_that_has_said_all_gets_its_answers() -> None:
    async with listening() as (_, reader, writer):
        writer.write(REQUESTS[0] * 5)
        writer.write_eof()
        assert statuses(await reader.read()) == [200] * 5


async def test_who_sends_too_much_ahead_is_answered_so_far_and_closed() -> None:
    async with listening() as (_, reader, writer):
        writer.write(REQUESTS[0] * 1000)
        answered = statuses(await reader.read())
        assert set(answered) == {200}
        assert 16 <= len(answered) < 1000


async def test_a_client_that_reads_nothing_is_written_one_large_reply_at_a_time() -> None:
    async with listening() as (connections, reader, writer):
        writer.write(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
        await reader.readexactly(1)
        (connection,) = connections.open
        assert isinstance(connection, Connection)
        # What the kernel and the reader take on the way is less than a reply; and then nothing moves any more.
        await asyncio.sleep(0.1)
        assert connection._transport.get_write_buffer_size() <= BIG
        writer.write(REQUESTS[0])
        received = b""
        while not received.endswith(b"b''"):
            received = (received + await reader.read(1 << 20))[-1000:]
