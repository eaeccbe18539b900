"""DNS over TCP: a length before each message, many messages a connection (RFC 1035 section 4.2.2, RFC 7766)."""

from __future__ import annotations

import asyncio
from typing import cast

from zonemint.dns.responder import Responder

__all__ = ["Connections", "TcpConnection"]


class Connections:
    """All open connections, the one that was quiet longest first.

    limit: when more come, the quietest is closed; idle: seconds after which a quiet one is closed.
    """

    def __init__(self, responder: Responder, *, limit: int = 256, idle: float = 10.0) -> None:
        self.responder = responder
        self.limit = limit
        self.idle = idle
        self._open: dict[TcpConnection, float] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def touch(self, connection: TcpConnection) -> None:
        """Note that a connection was opened or said something."""
        loop = asyncio.get_running_loop()
        self._open.pop(connection, None)
        self._open[connection] = loop.time()
        if len(self._open) > self.limit:
            next(iter(self._open)).abort()
        if self._sweep is None:
            self._sweep = loop.call_later(self.idle, self._close_idle)

    def drop(self, connection: TcpConnection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        if not self._open and self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        for connection, since in list(self._open.items()):
            if since + self.idle > loop.time():
                self._sweep = loop.call_at(since + self.idle, self._close_idle)
                return
            connection.abort()

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.abort()


class TcpConnection(asyncio.Protocol):
    """One client's connection; messages are answered in the order they came in."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.touch(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._connections.drop(self)

    def data_received(self, data: bytes) -> None:
        """Answer all whole messages received so far; a connection that talks no DNS is closed."""
        buffer = self._buffer
        buffer += data
        replies: list[bytes] = []
        at = 0
        while len(buffer) - at >= 2:
            end = at + 2 + int.from_bytes(buffer[at : at + 2], "big")
            if len(buffer) < end:
                break
            reply = self._connections.responder.respond(bytes(buffer[at + 2 : end]), tcp=True)
            if reply is None:
                self.abort()
                return
            replies += (len(reply).to_bytes(2, "big"), reply)
            at = end
        if replies:
            self._transport.write(b"".join(replies))
            self._connections.touch(self)
            del buffer[:at]

    def pause_writing(self) -> None:
        """Read no more questions from a client that does not read our answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading."""
        self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()
        self._connections.drop(self)
