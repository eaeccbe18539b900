"""The HTTP and HTTPS listeners: uvicorn servers on sockets that we bind, so that a failure is one clear line."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Generator, Sequence

import uvicorn
from starlette.types import ASGIApp

from zonemint.core.errors import ConfigError
from zonemint.web.bounded import BoundedHttp

__all__ = ["Listener", "addresses"]

_BACKLOG = 1024
_CONNECTIONS = 4096  # more are told 503
_KEEP_ALIVE = 75  # seconds that a client may keep a connection without a request
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


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell who waits for it."""
        await super().startup(sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let requests under way end for a moment, then cut what is open.

        uvicorn's own way waits for clients that never answer TLS's goodbye or never send the rest of a request.
        """
        for server in self.servers:
            server.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_GRACE)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_GRACE)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the program: it has more than one server to stop."""
        yield


class Listener:
    """One TCP port of all addresses, held from the beginning; `serve` puts an application on it.

    Raises ConfigError that names the port and what to do.
    """

    def __init__(self, name: str, option: str, addresses: Sequence[str], port: int) -> None:
        self._name = name
        self._option = option
        self._sockets = self._bind(addresses, port)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port: int = self._sockets[0].getsockname()[1]

    async def serve(self, app: ASGIApp, context: ssl.SSLContext | None = None) -> None:
        """Answer from now on; with a context it speaks TLS."""
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            limit_concurrency=_CONNECTIONS,
        )
        config.load()
        config.ssl = context
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(self._sockets))
        await self._server.answers.wait()

    async def close(self) -> None:
        """Stop taking connections, and end those that are open."""
        assert self._server is not None
        assert self._task is not None
        self._server.should_exit = True
        await self._task

    def release(self) -> None:
        """Give the port back."""
        for sock in self._sockets:
            sock.close()

    def _bind(self, addresses: Sequence[str], port: int) -> list[socket.socket]:
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                sock = socket.socket(family, socket.SOCK_STREAM)
                sockets.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address, port))
                port = sockets[0].getsockname()[1]
                sock.listen(_BACKLOG)
                sock.setblocking(False)
        except OSError as error:
            for sock in sockets:
                sock.close()
            raise ConfigError(self._refusal(error, address, port)) from None
        return sockets

    def _refusal(self, error: OSError, address: str, port: int) -> str:
        where = f"TCP port {port} of {address}"
        if error.errno in (errno.EACCES, errno.EPERM):
            return (
                f"{self._name} may not listen on {where} without the right to use low ports; "
                f"{self._option} takes another one"
            )
        if error.errno == errno.EADDRINUSE:
            return (
                f"{self._name} cannot listen on {where}: another program does; "
                f"stop it, or take another port with {self._option}"
            )
        return f"{self._name} cannot listen on {where}: {os.strerror(error.errno or 0)}"
