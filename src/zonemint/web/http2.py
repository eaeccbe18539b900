"""HTTP/2 connections (RFC 9113) on the state machine of h2, with a bound on everything that a client can hold."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import structlog

from zonemint.web.endpoint import Call
from zonemint.web.http1 import Connections
from zonemint.web.reply import Reply, date

__all__ = ["Http2Connection"]

_STREAMS = 100  # requests of one connection that may be under way
_HEADERS = 16384  # octets of a request's header list (RFC 9113 section 6.5.2)
_BODY = 65536  # octets of a body; an endpoint may take less
_IDLE_TIME = 30.0  # seconds that a connection may stay without a frame
_RESETS = 200  # streams that a client may take back beyond those that it let us answer
_WRITTEN = 1 << 20  # octets of answers that wait for a client that does not read them

_log = structlog.get_logger()


class _Stream:
    """One request, and what is left to be sent of its answer."""

    __slots__ = ("body", "headers", "is_too_large", "left", "task")

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers = headers
        self.body = b""
        self.is_too_large = False
        self.left = b""
        self.task: asyncio.Task[None] | None = None


class Http2Connection(asyncio.Protocol):
    """One connection; its requests are answered beside each other.

    deadline: the loop's time at which it is cut, unless something happens before.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        settings = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        self._http = h2.connection.H2Connection(settings)
        self._streams: dict[int, _Stream] = {}
        self._balance = _RESETS
        self._source = ""
        self._tls: ssl.SSLObject | None = None
        self._is_full = False
        self._closing = False
        self._transport: asyncio.Transport
        self.deadline = connections.loop.time() + _IDLE_TIME

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: our settings go first (section 3.4)."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._source = peer[0] if peer else ""
        self._tls = transport.get_extra_info("ssl_object")
        self._http.local_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = _STREAMS
        self._http.local_settings[h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE] = _HEADERS
        self._http.initiate_connection()
        if self._connections.has_room_for(self):
            self._flush()
        else:
            self._http.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what is still being answered is for nobody."""
        self._connections.open.discard(self)
        self._closing = True
        for stream in self._streams.values():
            if stream.task is not None:
                stream.task.cancel()
        self._streams.clear()

    def data_received(self, data: bytes) -> None:
        """Take in frames; what breaks the protocol ends the connection with the reason (section 5.4.1)."""
        self.deadline = self._connections.loop.time() + _IDLE_TIME
        try:
            for event in self._http.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError:
            self._end()
            return
        self._flush()

    def pause_writing(self) -> None:
        """Send no more of the answers to a client that does not read them."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_full = False
        for number in list(self._streams):
            self._send(number)
        self._flush()

    # What h2 tells

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._streams[event.stream_id] = _Stream([(str(name), str(value)) for name, value in event.headers])
        elif isinstance(event, h2.events.DataReceived):
            # Taken back at once, since a body is never larger than the first window.
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if (stream := self._streams.get(event.stream_id)) is not None:
                stream.is_too_large = stream.is_too_large or len(stream.body) + len(event.data) > _BODY
                stream.body = b"" if stream.is_too_large else stream.body + event.data
        elif isinstance(event, h2.events.StreamEnded):
            self._begin(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._take_back(event.stream_id)
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            for number in list(self._streams):
                self._send(number)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.abort()

    def _take_back(self, number: int) -> None:
        """Forget a request; who does little else is cut, for it costs us more than them (CVE-2023-44487)."""
        stream = self._streams.pop(number, None)
        if stream is not None and stream.task is not None:
            stream.task.cancel()
        self._balance -= 1
        if self._balance < 0:
            self._http.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self._end()

    def _begin(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None or self._closing:
            return
        stream.task = self._connections.loop.create_task(self._answer(number, stream))
        self._connections.tasks.add(stream.task)
        stream.task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._connections.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("an answer could not be written", exc_info=task.exception())
            self.abort()

    async def _answer(self, number: int, stream: _Stream) -> None:
        headers: dict[str, str] = {}
        for name, value in stream.headers:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        method, target = headers.pop(":method", ""), headers.pop(":path", "/")
        path, _, query = target.partition("?")
        endpoint, params = self._connections.dispatcher.find(unquote(path))
        call = Call(
            method, headers, params, query, stream.body, self._source, unquote(path), stream.is_too_large, self._tls
        )
        reply = await endpoint.respond(call)
        if self._closing or number not in self._streams:
            return
        self._balance = min(self._balance + 1, _RESETS)
        self._write(number, stream, reply, without_body=method == "HEAD")
        self._flush()

    def _write(self, number: int, stream: _Stream, reply: Reply, *, without_body: bool) -> None:
        body = b"" if without_body else reply.body
        length = [("content-length", str(len(reply.body)))]
        fields = [(name.lower(), value) for name, value in reply.headers]
        head = [(":status", str(reply.status)), ("date", date()), *fields, *length]
        self._http.send_headers(number, head, end_stream=not body)
        stream.left = body
        if body:
            self._send(number)
        else:
            del self._streams[number]

    def _send(self, number: int) -> None:
        """Send as much of an answer as the client's windows take (section 5.2)."""
        stream = self._streams[number]
        while stream.left and not self._is_full:
            size = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if size <= 0:
                return
            piece, stream.left = stream.left[:size], stream.left[size:]
            self._http.send_data(number, piece, end_stream=not stream.left)
            if not stream.left:
                del self._streams[number]

    def _flush(self) -> None:
        if (data := self._http.data_to_send()) and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > _WRITTEN:
                self.abort()

    # What those call who close listeners

    def close_when_answered(self) -> None:
        """Take no more requests, and close at once when none is under way (section 6.8)."""
        if not self._streams:
            self._http.close_connection()
            self._end()

    def _end(self) -> None:
        self._flush()
        self._closing = True
        self._transport.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._closing = True
        self._transport.abort()
