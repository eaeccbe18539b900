"""An octet stream over TCP, plain or TLS, to one address: bounded in what it takes in, and gone when it is closed."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from functools import cache
from types import TracebackType
from typing import Self

from zonemint.validation.fence import Address

__all__ = ["Stream", "client_context", "place", "reason"]

_SSL_PLACE = re.compile(r"^\[[^]]*\] | \(_ssl\.c:[0-9]+\)$")
_CHUNK = 16384
_MOST = 262_144  # octets that one stream takes in; a whole TLS handshake with a long chain is a tenth of it


class Stream:
    """A connection that was made; close it by leaving its context."""

    def __init__(self, sock: socket.socket, place: str) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._taken = 0
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls: ssl.SSLObject | None = None
        self.place = place

    @classmethod
    async def connect(cls, address: Address, port: int) -> Self:
        """Connect to an address, with no look-up on the way; raises OSError."""
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
        except BaseException:
            sock.close()
            raise
        return cls(sock, place(address, port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sock.close()

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLObject:
        """Shake hands as a client; raises OSError, which SSLError is one of."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                self.tls = tls
                return tls

    async def send(self, data: bytes) -> None:
        """Send all of it; raises OSError."""
        if self.tls is None:
            await self._loop.sock_sendall(self._sock, data)
            return
        self.tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """Return what came next, or nothing at the end of the stream; raises OSError."""
        if self.tls is None:
            return await self._take()
        while True:
            try:
                return self.tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    async def _take(self) -> bytes:
        data = await self._loop.sock_recv(self._sock, _CHUNK)
        self._taken += len(data)
        if self._taken > _MOST:
            raise OSError(errno.EMSGSIZE, f"more than {_MOST // 1024} KiB came")
        return data

    async def _fill(self) -> None:
        if data := await self._take():
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._loop.sock_sendall(self._sock, data)


@cache
def client_context(protocol: str) -> ssl.SSLContext:
    """Return what a client needs that offers one protocol (ALPN) and believes no certificate: TLS 1.2 and 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([protocol])
    return context


def place(address: Address, port: int) -> str:
    """Write an address and a port."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def reason(error: OSError) -> str:
    """Say what is wrong with a connection."""
    match error:
        case ssl.SSLEOFError():
            return "the connection ended within the TLS handshake"
        case ssl.SSLError():
            # Python does not know each of OpenSSL's reasons by its name.
            why = error.reason or _SSL_PLACE.sub("", error.strerror or "unknown error")
            return f"TLS failed: {why.replace('_', ' ').lower()}"
        case ConnectionRefusedError():
            return "the connection was refused: nothing listens there, or a firewall is in the way"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was reset"
    if error.errno is None or error.errno == errno.EMSGSIZE:
        return error.strerror or str(error)
    return os.strerror(error.errno)
