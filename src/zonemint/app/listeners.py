"""Listeners for connections: ports that are held from the start, so that a failure is one clear line."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

from zonemint.core.errors import ConfigError
from zonemint.core.ports import bound, refusal
from zonemint.web.dispatch import Dispatcher
from zonemint.web.http1 import Connection, Connections
from zonemint.web.negotiated import Negotiated

__all__ = ["Listener", "addresses", "own_address"]

_BACKLOG = 1024
_HANDSHAKE = 10.0  # seconds that a client has for the TLS handshake
_GRACE = 1.0  # seconds that a request under way has when we stop


def addresses(address: str) -> list[str]:
    """Return the addresses to bind: both families' wildcards for either of them, where the machine has IPv6."""
    if address not in ("0.0.0.0", "::"):  # noqa: S104 - the wildcard is what the user asked for
        return [address]
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return ["0.0.0.0"]  # noqa: S104
    return ["0.0.0.0", "::"]  # noqa: S104


def own_address(address: str) -> str:
    """Return where our own listeners on an address are reached from this machine."""
    first = addresses(address)[0]
    return "127.0.0.1" if first == "0.0.0.0" else first  # noqa: S104 - to be recognized, not bound


class Listener:
    """One TCP port of all addresses, held from the beginning; `serve` puts an application on it.

    Raises ConfigError that names the port and what to do.
    """

    def __init__(self, name: str, option: str, addresses: Sequence[str], port: int) -> None:
        self._name = name
        self._option = option
        self._sockets = self._bind(addresses, port)
        self._servers: list[asyncio.Server] = []
        self._connections: Connections | None = None
        self.port: int = self._sockets[0].getsockname()[1]

    async def serve(
        self, dispatcher: Dispatcher, context: ssl.SSLContext | None = None, *, negotiates: bool = False
    ) -> None:
        """Answer HTTP from now on; with a context over TLS, and with `negotiates` HTTP/2 to those who want it."""
        connections = self._connections = Connections(dispatcher)
        await self.accept(lambda: Negotiated(connections) if negotiates else Connection(connections), context)

    async def accept(self, factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None = None) -> None:
        """Have each connection taken by a protocol that `factory` makes."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            server = await loop.create_server(
                factory,
                sock=sock,
                backlog=_BACKLOG,
                ssl=context,
                ssl_handshake_timeout=_HANDSHAKE if context else None,
                ssl_shutdown_timeout=_GRACE if context else None,
            )
            self._servers.append(server)

    async def close(self) -> None:
        """Stop listening, let requests under way end for a moment, then cut what is open."""
        for server in self._servers:
            server.close()
        if self._connections is not None:
            self._connections.close_idle()
            if self._connections.tasks:
                await asyncio.wait(self._connections.tasks, timeout=_GRACE)
            self._connections.abort()

    def release(self) -> None:
        """Give the port back."""
        for sock in self._sockets:
            sock.close()

    def _bind(self, addresses: Sequence[str], port: int) -> list[socket.socket]:
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(bound(address, port, socket.SOCK_STREAM, backlog=_BACKLOG))
                port = sockets[0].getsockname()[1]
        except OSError as error:
            for sock in sockets:
                sock.close()
            why = refusal(error, address, port, service=self._name, option=self._option)
            raise ConfigError(why) from None
        return sockets
