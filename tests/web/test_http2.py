"""HTTP/2 connections: a real client's state machine on the other end, and what breaks the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.web.test_http1 import Wire
from zonemint.web import http1, problems
from zonemint.web.dispatch import Dispatcher, Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.http1 import Connections
from zonemint.web.http2 import Http2Connection
from zonemint.web.reply import Reply

BIG = 300_000  # octets


async def echo(call: Call) -> Reply:
    await asyncio.sleep(0)
    return Reply(f"{call.method} {call.url_path}?{call.query} {call.headers.get('x-a')} {len(call.body)}")


async def big(call: Call) -> Reply:
    return Reply(b"x" * BIG)


async def stuck(call: Call) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


def dispatcher() -> Dispatcher:
    def endpoint(handlers: dict[str, object]) -> Endpoint:
        return Endpoint(handlers, on_error=problems.response, sources=Sources(), body_limit=1000)  # type: ignore[arg-type]

    return Dispatcher(
        [
            Route("/echo/{name}", endpoint({"GET": echo, "POST": echo})),
            Route("/big", endpoint({"GET": big})),
            Route("/stuck", endpoint({"GET": stuck})),
        ],
        missing=endpoint({}),
    )


class Pipe(Wire):
    def get_write_buffer_size(self) -> int:
        return 0


@dataclass
class Client:
    """The other end: what it sends arrives at once, what it gets is read by `turn`."""

    wire: Pipe
    connection: Http2Connection
    http: h2.connection.H2Connection = field(
        default_factory=lambda: h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    )
    status: dict[int, str] = field(default_factory=dict)
    body: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    errors: list[int] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> int:
        number = self.http.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":authority", "a"), (":scheme", "https")]
        self.http.send_headers(number, head + [(k.replace("_", "-"), v) for k, v in headers.items()], not body)
        if body:
            self.http.send_data(number, body, end_stream=True)
        return number

    async def turn(self, *, acknowledge: bool = True) -> None:
        for _ in range(20):
            if data := self.http.data_to_send():
                self.connection.data_received(data)
            await asyncio.sleep(0)
            sent, self.wire.written = self.wire.written, b""
            for event in self.http.receive_data(sent):
                self.take(event, acknowledge=acknowledge)

    def take(self, event: h2.events.Event, *, acknowledge: bool) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.status[event.stream_id] = {str(k): str(v) for k, v in event.headers}[":status"]
        elif isinstance(event, h2.events.DataReceived):
            self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            if acknowledge:
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.errors.append(int(event.error_code or 0))


@asynccontextmanager
async def connected() -> AsyncIterator[Client]:
    connections, wire = Connections(dispatcher()), Pipe()
    connection = Http2Connection(connections)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    with structlog.testing.capture_logs() as logs:
        connection.connection_made(wire)
        assert connection in connections.open
        client = Client(wire, connection)
        client.http.initiate_connection()
        await client.turn()
        try:
            yield client
        finally:
            connections.abort()
            connection.connection_lost(None)
            await asyncio.sleep(0)
            assert not connections.open
    assert not failures
    assert not [entry for entry in logs if entry["log_level"] in {"error", "critical"}]


async def test_requests_are_answered_beside_each_other() -> None:
    async with connected() as client:
        waits = client.ask("GET", "/stuck")
        get = client.ask("GET", "/echo/%C3%A9?b=%41", x_a="1")
        post = client.ask("POST", "/echo/a", b"1234")
        head = client.ask("HEAD", "/echo/a")
        await client.turn()
        assert client.ended == {get, post, head}
        assert waits not in client.status
        assert client.body[get].decode() == "GET /echo/é?b=%41 1 0"
        assert client.body[post] == b"POST /echo/a? None 4"
        assert head not in client.body


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", b"", "405"),
        ("DELETE", "/echo/a", b"", "405"),
        ("POST", "/echo/a", b"x" * 1001, "413"),
        ("GET", "", b"", "405"),
        ("BREW", "/echo/a", b"", "405"),
    ],
)
async def test_refusals_are_replies(method: str, path: str, body: bytes, status: str) -> None:
    async with connected() as client:
        number = client.ask(method, path or "*", body)
        await client.turn()
        assert client.status[number] == status
        assert client.ended == {number}


async def test_a_body_without_end_is_not_kept() -> None:
    async with connected() as client:
        number = client.ask("POST", "/echo/a", b"")
        number = client.http.get_next_available_stream_id()
        client.http.send_headers(
            number, [(":method", "POST"), (":path", "/echo/a"), (":authority", "a"), (":scheme", "https")]
        )
        for _ in range(30):
            client.http.send_data(number, b"x" * 10_000)
            await client.turn()
            assert len(client.connection._streams[number].body) <= 65536
        client.http.end_stream(number)
        await client.turn()
        assert client.status[number] == "413"


async def test_an_answer_keeps_to_the_clients_windows() -> None:
    async with connected() as client:
        first, second = client.ask("GET", "/big"), client.ask("GET", "/echo/a")
        await client.turn(acknowledge=False)
        assert len(client.body[first]) == 65535
        assert second not in client.ended
        client.http.increment_flow_control_window(BIG)
        client.http.increment_flow_control_window(BIG, first)
        await client.turn()
        assert client.body[first] == b"x" * BIG
        assert client.ended == {first, second}


async def test_a_request_that_is_taken_back_is_not_worked_on() -> None:
    async with connected() as client:
        number = client.ask("GET", "/stuck")
        await client.turn()
        assert len(client.connection._streams) == 1
        client.http.reset_stream(number)
        await client.turn()
        assert not client.connection._streams
        assert not client.connection._connections.tasks


async def test_who_only_takes_back_is_cut() -> None:
    async with connected() as client:
        for _ in range(300):
            client.http.reset_stream(client.ask("GET", "/stuck"))
            await client.turn()
            if client.errors:
                break
        assert client.errors == [11]
        assert client.wire.closed


async def test_no_more_streams_than_were_granted() -> None:
    async with connected() as client:
        client.http.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
        client.http.remote_settings.acknowledge()
        for _ in range(101):
            client.ask("GET", "/stuck")
        await client.turn()
        assert client.wire.closed


async def test_one_beyond_those_that_there_may_be_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "_CONNECTIONS", 0)
    connections, wire = Connections(dispatcher()), Pipe()
    connection = Http2Connection(connections)
    connection.connection_made(wire)
    assert wire.closed
    connection.connection_lost(None)
    connections.abort()


async def test_stopping_lets_requests_end_and_closes_what_is_quiet() -> None:
    async with connected() as client:
        client.connection.close_when_answered()
        await client.turn()
        assert client.wire.closed
        assert client.errors == [0]


@given(st.binary(max_size=300), st.integers(0, 400))
@settings(max_examples=200, deadline=None)
def test_frames_of_any_kind_end_in_an_answer_or_a_close(noise: bytes, at: int) -> None:
    async def play() -> None:
        async with connected() as client:
            client.ask("GET", "/echo/a", x_a="1")
            good = client.http.data_to_send()
            at_ = at % (len(good) + 1)
            client.connection.data_received(good[:at_] + noise + good[at_:])
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(play())
