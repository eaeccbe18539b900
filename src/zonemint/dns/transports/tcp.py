"""DNS over TCP: a length before each message, many messages a connection (RFC 1035 section 4.2.2, RFC 7766)."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import cast

from zonemint.dns.answers.memo import Known
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Later, Ready, Reply, Stream
from zonemint.dns.transports.connections import Connections, network_of

__all__ = ["TcpConnection"]

_WAITING = 64
"""How many answers of one connection wait for a zone's source before no more questions are taken up."""
_STREAMED = 4
"""How many messages of an answer of many are made in one go."""
_NOTHING: dict[bytes, Known] = {}
_BACKLOG = 2 + 0xFFFF
"""How many received bytes wait for their answers before no more are read: one message has room."""


class TcpConnection(asyncio.Protocol):
    """One client's connection; messages are answered in the order they came in.

    An answer that has to wait does not keep back those behind it (RFC 7766 section 6.2.1.1). network: the client's.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._buffer = b""
        self._ready: list[bytes] = []
        self._length = 0
        self._full = False
        self._goes_on = False
        self._waiting = 0
        self._streams: deque[Stream] = deque()
        self._client: Client
        self.network: bytes
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        # Whoever is gone before we look has no address any more, and gets no answer.
        host, port = (transport.get_extra_info("peername") or ("0.0.0.0", 0))[:2]  # noqa: S104
        is_tls = transport.get_extra_info("sslcontext") is not None
        self._client = Client.of(host, port, Transport.TLS if is_tls else Transport.TCP)
        self.network = network_of(self._client.address)
        if self._connections.views.of(self._client.address).is_silent:
            self._transport.abort()
            return
        self._connections.touch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._streams.clear()
        self._connections.drop(self)

    def data_received(self, data: bytes) -> None:
        """Take in what came and answer it."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._goes_on:
            self._answer()
        elif len(self._buffer) > _BACKLOG:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Answer no more to a client that does not read our answers."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on answering."""
        self._full = False
        self._pump()
        self._answer()

    def _answer(self) -> None:
        """Answer some of the whole messages received so far, and the others at the loop's next turn."""
        self._connections.freshen()
        if self._transport.is_closing():
            return
        buffer, client, connections = self._buffer, self._client, self._connections
        size = len(buffer)
        responder, log, durations = connections.views.of(client.address), connections.log, connections.durations
        known, place = responder.whole if log is None else _NOTHING, client.slot
        began = perf_counter()
        answered = at = 0
        for _ in range(connections.turn):
            end = at + 2 + int.from_bytes(buffer[at : at + 2], "big")
            if self._full or self._waiting >= _WAITING or size - at < 2 or size < end:
                break
            if (found := known.get(buffer[at + 4 : end])) is not None:
                rest, tally = found
                tally[place] += 1
                reply: Reply = buffer[at + 2 : at + 4] + rest
            else:
                message = buffer[at + 2 : end]
                reply = responder.respond(message, client)
                if log is not None and not isinstance(reply, Later):
                    log.note(client, message, reply, perf_counter() - began)
            at = end
            if isinstance(reply, bytes):
                answered += 1
                self._write(reply)
            elif reply is None:
                self._flush()
                self.abort()
                return
            elif isinstance(reply, Later):
                self._waiting += 1
                send = durations.noting(client.transport, self._answer_late)
                reply.then(send if log is None else log.noting(client, message, send))
            else:
                self._give(reply)
        else:
            if not self._goes_on:
                self._goes_on = True
                asyncio.get_running_loop().call_soon(self._go_on)
        self._flush()
        if at:
            durations.note(client.transport, perf_counter() - began, answered)
            self._buffer = buffer = buffer[at:]
            connections.touch(self)
        if len(buffer) > _BACKLOG:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _go_on(self) -> None:
        self._goes_on = False
        self._answer()

    def _answer_late(self, reply: Ready) -> None:
        """Send an answer that had to wait, and go on where too many of them stopped us."""
        self._waiting -= 1
        if self._transport.is_closing():
            # Whoever has closed is sent nothing more (RFC 7766 section 6.2.4).
            return
        if reply is None:
            self.abort()
            return
        self._give(reply)
        self._connections.touch(self)
        self._answer()

    def _give(self, reply: bytes | Stream) -> None:
        if isinstance(reply, bytes):
            self._write(reply)
            self._flush()
            return
        self._waiting += 1
        self._streams.append(reply)
        if len(self._streams) == 1:
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Send some messages of the first answer of many, as long as the client reads them."""
        for _ in range(_STREAMED):
            if self._full or not self._streams or self._transport.is_closing():
                return
            message = next(self._streams[0].messages, None)
            if message is None:
                self._streams.popleft()
                self._waiting -= 1
                self._answer()
            else:
                self._write(message)
                self._flush()
                self._connections.touch(self)
        asyncio.get_running_loop().call_soon(self._pump)

    def _write(self, reply: bytes) -> None:
        """Put an answer to those that leave together."""
        self._ready.append(len(reply).to_bytes(2, "big") + reply)
        self._length += len(reply)
        if self._length > _BACKLOG:
            self._flush()

    def _flush(self) -> None:
        if self._ready:
            # Emptied first: while it writes, the transport may tell us that it is full.
            ready, self._ready, self._length = b"".join(self._ready), [], 0
            self._transport.write(ready)

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()
        self._connections.drop(self)
