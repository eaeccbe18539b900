"""Questions over one connection, many at once, answered in any order (RFC 7766 section 6.2, RFC 7858)."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from typing import cast

from zonemint.dns.forward.messages import Match, Sent, compare

__all__ = ["Stream"]

_IDLE = 10.0
"""Seconds after which a connection without questions is closed."""
_CONNECT = 3.0
"""Seconds in which a connection has to be made, with its TLS."""
_AT_ONCE = 16_384
"""How many questions of one connection wait for their answers; each has an id of its own."""


class Stream:
    """A server's connection, which is made when it is needed and kept while it is used.

    context, name: of TLS, and what the certificate has to be for; None for plain TCP.
    """

    def __init__(self, address: str, port: int, context: ssl.SSLContext | None, name: str) -> None:
        self._address = address
        self._port = port
        self._context = context
        self._name = name
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def ask(self, sent: Sent) -> tuple[bytes, Match]:
        """Send a question and return what answers it, and how; it waits for ever.

        A connection that the server closed meanwhile is made anew, once. Raises OSError, ssl.SSLError among them.
        """
        kept = self._connection
        if kept is not None and kept.is_open:
            try:
                return await kept.ask(sent)
            except ConnectionError:
                pass
        return await (await self._connect()).ask(sent)

    async def _connect(self) -> _Connection:
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._open())
            self._connecting.add_done_callback(self._connected)
        # Whoever gives up waiting does not give up for the others.
        return await asyncio.shield(self._connecting)

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        name = self._name if self._context is not None else None
        async with asyncio.timeout(_CONNECT):
            made = await loop.create_connection(
                _Connection, self._address, self._port, ssl=self._context, server_hostname=name
            )
        return made[1]

    def _connected(self, task: asyncio.Task[_Connection]) -> None:
        self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()

    def close(self) -> None:
        """Close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: dict[bytes, tuple[Sent, asyncio.Future[tuple[bytes, Match]]]] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._received = 0
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._idle is not None:
            self._idle.cancel()
        for _, answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ConnectionResetError("the server closed the connection"))
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        self._received += 1
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 2:
            end = at + 2 + int.from_bytes(buffer[at : at + 2], "big")
            if len(buffer) < end:
                break
            self._take(bytes(buffer[at + 2 : end]))
            at = end
        del buffer[:at]

    def _take(self, reply: bytes) -> None:
        sent, answered = self._waiting.get(reply[:2], (None, None))
        if sent is None or answered is None:
            return
        match = compare(reply, sent)
        if match is not Match.NO and not answered.done():
            answered.set_result((reply, match))

    async def ask(self, sent: Sent) -> tuple[bytes, Match]:
        if not self.is_open:
            raise ConnectionResetError("the server closed the connection")
        if len(self._waiting) >= _AT_ONCE:
            raise BlockingIOError("too many questions wait for this server")
        key = sent.message[:2]
        while key in self._waiting:
            key = secrets.token_bytes(2)
        sent = sent._replace(message=key + sent.message[2:])
        answered: asyncio.Future[tuple[bytes, Match]] = asyncio.get_running_loop().create_future()
        self._waiting[key] = sent, answered
        self._transport.write(len(sent.message).to_bytes(2, "big") + sent.message)
        received = self._received
        try:
            return await answered
        except asyncio.CancelledError:
            if self._received == received:
                # Nothing at all has come since: the next one shall not wait for this connection, too.
                self.close()
            raise
        finally:
            self._waiting.pop(key, None)
            self._rest()

    def _rest(self) -> None:
        """Close after a while in which nothing was asked."""
        if self._idle is not None:
            self._idle.cancel()
        if self.is_open:
            self._idle = asyncio.get_running_loop().call_later(_IDLE, self._close_idle)

    def _close_idle(self) -> None:
        if self._waiting:
            self._rest()
        else:
            self.close()

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()
