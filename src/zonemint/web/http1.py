"""HTTP/1.1 connections (RFC 9112) on the parser of httptools, with a bound on everything that a client can hold."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Protocol, cast
from urllib.parse import unquote

import httptools
import structlog

from zonemint.web.dispatch import Dispatcher
from zonemint.web.endpoint import Call, Endpoint
from zonemint.web.reply import Reply, written

__all__ = ["Connection", "Connections", "Open"]

_HEAD = 32768  # octets of request line and headers
_BODY = 65536  # octets of a body; an endpoint may take less
_REQUEST_TIME = 20.0  # seconds from a connection or a request's first octet until the request is whole
_IDLE_TIME = 75.0  # seconds that a connection may stay without a request
_SWEEP = 2.5  # seconds between looks for connections whose time is over
_CONNECTIONS = 4096  # more are told 503
_PIPELINE = 16  # requests that one connection may send ahead; what follows is not heard (RFC 9112 section 9.3.2)

_log = structlog.get_logger()


class Open(Protocol):
    """A connection, as those know it who close it."""

    deadline: float

    def close_when_answered(self) -> None:
        """Close it as soon as nothing is under way."""

    def abort(self) -> None:
        """Cut it."""


class Connections:
    """The open connections of one listener, and what they talk to."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.loop = asyncio.get_running_loop()
        self.open: set[Open] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._sweeper = self.loop.call_later(_SWEEP, self._sweep)

    def has_room_for(self, connection: Open) -> bool:
        """Count a new connection, and tell whether there may be so many."""
        self.open.add(connection)
        return len(self.open) <= _CONNECTIONS

    def close_idle(self) -> None:
        """Close the connections that answer nothing right now."""
        for connection in list(self.open):
            connection.close_when_answered()

    def abort(self) -> None:
        """Cut every connection."""
        self._sweeper.cancel()
        for connection in list(self.open):
            connection.abort()

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.open):
            if now > connection.deadline:
                connection.abort()
        self._sweeper = self.loop.call_later(_SWEEP, self._sweep)


class _Request:
    """A request as it comes in; without an endpoint it is refused with `status`."""

    __slots__ = (
        "body",
        "endpoint",
        "headers",
        "is_too_large",
        "keep_alive",
        "method",
        "params",
        "path",
        "query",
        "status",
    )

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.method = ""
        self.path = ""
        self.query = ""
        self.endpoint: Endpoint | None = None
        self.status = 400
        self.params: Mapping[str, str] = {}
        self.keep_alive = True
        self.is_too_large = False


class Connection(asyncio.Protocol):
    """One connection: requests are answered one after the other, in their order.

    deadline: the loop's time at which it is cut, unless something happens before. Once it is closing nothing more is
    heard, and the last answer closes it.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._request: _Request | None = None
        self._url = b""
        self._head = 0
        self._unparsed = 0
        self._waiting: deque[_Request] = deque()
        self._answering = False
        self._closing = False
        self._is_full = False
        self._source = ""
        self._tls: ssl.SSLObject | None = None
        self._transport: asyncio.Transport
        self.deadline = connections.loop.time() + _REQUEST_TIME

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._source = peer[0] if peer else ""
        self._tls = transport.get_extra_info("ssl_object")
        if not self._connections.has_room_for(self):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._connections.open.discard(self)
        self._waiting.clear()
        self._closing = True

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        if self._closing:
            return
        self._unparsed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request was read to its end; it is answered as what it is, and no other protocol follows.
            self._hear_no_more()
        except httptools.HttpParserError:
            self._refuse(431 if self._head > _HEAD else 400)
        else:
            # The parser holds a header until it is whole, and passes over the extensions of chunks.
            if self._unparsed > _HEAD:
                self._refuse(431)

    def eof_received(self) -> bool:
        """The client says no more: over plain TCP it still gets its answers, while TLS ends both ways at once."""
        self._closing = True
        return (self._answering or bool(self._waiting)) and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """Read no more from a client that does not read our answers, and begin no other answer."""
        self._is_full = True
        if not self._closing:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        if not self._closing:
            self._transport.resume_reading()
        if self._waiting and not self._answering:
            self._begin(self._waiting.popleft())

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._request = _Request()
        self._url = b""
        self._head = 0
        if not self._answering:
            self.deadline = self._connections.loop.time() + _REQUEST_TIME

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._count(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; of several with one name the values are a list (RFC 9110 section 5.3)."""
        self._count(len(name) + len(value) + 4)  # ": " and CRLF
        request = self._request
        if request is None or request.method:
            # A trailer: what a proxy checks and adds are headers, and those alone are believed (section 6.5.1).
            return
        headers = request.headers
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        """The head is complete: what it asks for is known."""
        request = self._request
        assert request is not None
        self._unparsed = 0
        version = self._parser.get_http_version()
        request.method = self._parser.get_method().decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive() and version == "1.1"
        if refusal := _refusal(version, request.headers):
            self._refuse(refusal)
            return
        try:
            target = httptools.parse_url(self._url)
            request.path = unquote((target.path or b"/").decode("ascii"))
            request.query = (target.query or b"").decode("ascii")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
            self._refuse(400)
            return
        request.endpoint, request.params = self._connections.dispatcher.find(request.path)
        announced = request.headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > _BODY:
            self._refuse_body(request)
            return
        expects = version == "1.1" and request.headers.get("expect", "").lower() == "100-continue"
        if expects and not self._answering and not self._closing:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body; of one that is too large only its size matters."""
        request = self._request
        self._unparsed = 0
        if request is None:
            return
        request.body += body
        if len(request.body) > _BODY:
            self._refuse_body(request)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, self._request = self._request, None
        self._unparsed = 0
        if request is not None:
            self._take(request)

    def _count(self, octets: int) -> None:
        """Bound the head, and the trailers with it; the parser ends at an exception."""
        self._unparsed = 0
        self._head += octets
        if self._head > _HEAD:
            raise ValueError("the head is too large")

    # Answering

    def _refuse(self, status: int) -> None:
        """Answer what cannot be taken, after what came before it, and hear no more of this connection."""
        request, self._request = _Request(), None
        request.status = status
        self._take(request)

    def _refuse_body(self, request: _Request) -> None:
        """Answer a request whose body is too large without the rest of it, and hear no more of this connection."""
        self._request = None
        request.is_too_large = True
        request.keep_alive = False
        self._take(request)

    def _take(self, request: _Request) -> None:
        """Answer a request in its turn."""
        if self._closing:
            return
        self._closing = not request.keep_alive or request.endpoint is None or len(self._waiting) + 1 == _PIPELINE
        if self._answering or self._is_full:
            self._waiting.append(request)
        else:
            self._begin(request)

    def _hear_no_more(self) -> None:
        """Close after the last answer that is due, or now when none is."""
        self._closing = True
        if not self._answering and not self._waiting:
            self._transport.close()

    def _begin(self, request: _Request) -> None:
        self._answering = True
        self.deadline = float("inf")
        task = self._connections.loop.create_task(self._answer(request))
        self._connections.tasks.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        """Forget the task; a client whose answer failed must not wait for it."""
        self._connections.tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                _log.error("an answer could not be written", exc_info=task.exception())
            self.abort()

    async def _answer(self, request: _Request) -> None:
        if request.endpoint is None:
            reply = Reply(status=request.status)
        else:
            call = Call(
                request.method,
                request.headers,
                request.params,
                request.query,
                request.body,
                self._source,
                request.path,
                request.is_too_large,
                self._tls,
            )
            reply = await request.endpoint.respond(call)
        if self._transport.is_closing():
            return
        close = self._closing and not self._waiting
        self._transport.write(written(reply, close=close, without_body=request.method == "HEAD"))
        self._answering = False
        self.deadline = self._connections.loop.time() + _IDLE_TIME
        if close:
            self._transport.close()
        elif self._waiting and not self._is_full:
            self._begin(self._waiting.popleft())

    def close_when_answered(self) -> None:
        """Close now, or after the answer that is under way."""
        self._waiting.clear()
        self._hear_no_more()

    def abort(self) -> None:
        """Cut the connection."""
        self._waiting.clear()
        self._closing = True
        self._transport.abort()


def _refusal(version: str, headers: Mapping[str, str]) -> int:
    """Return the status with which HTTP itself refuses a head (RFC 9112 sections 2.3, 3.2 and 6.1), or 0."""
    if version not in ("1.0", "1.1"):
        return 505
    if version == "1.1" and ("host" not in headers or "," in headers["host"]):
        return 400
    if headers.get("transfer-encoding", "chunked").lower() != "chunked":
        return 501
    return 0
