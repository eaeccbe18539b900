"""Servers for the resolver to ask: sockets that say what a test has them say, truthful or not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from zonemint.dns import codes, wire
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.forward.cache import Cache
from zonemint.dns.forward.pool import Patience, Pool
from zonemint.dns.forward.replies import Limits
from zonemint.dns.forward.resolver import Policy, Resolver
from zonemint.dns.forward.routes import Routes
from zonemint.dns.forward.special import SpecialNames
from zonemint.dns.forward.upstream import Endpoint, Upstream

__all__ = ["HOST", "QUICK", "Answering", "Server", "ask", "made", "question", "resolver", "serving", "silent", "until"]

HOST = "127.0.0.1"
QUICK = Patience(timeout=0.2, deadline=1.5, max_fails=2)
LIMITS = Limits(86400, 3600)

Answering = Callable[[bytes], Iterable[bytes]]
"""Makes the messages that are sent back for one that came."""


class Server:
    """One port of UDP and TCP; messages: what came, by transport."""

    def __init__(self, udp: Answering, tcp: Answering) -> None:
        self.answering = {"udp": udp, "tcp": tcp}
        self.messages: dict[str, list[bytes]] = {"udp": [], "tcp": []}
        self.connections = 0
        self.open: list[asyncio.Transport] = []
        self.port = 0

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("udp", HOST, self.port)

    def of(self, kind: str, message: bytes) -> Iterable[bytes]:
        self.messages[kind].append(message)
        return self.answering[kind](message)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for reply in self._server.of("udp", data):
            self._transport.sendto(reply, addr)


class _Tcp(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.connections += 1
        self._transport = cast("asyncio.Transport", transport)
        self._server.open.append(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2 and len(self._buffer) >= 2 + int.from_bytes(self._buffer[:2], "big"):
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            message, self._buffer = self._buffer[2:end], self._buffer[end:]
            for reply in self._server.of("tcp", message):
                if not reply:
                    self._transport.abort()
                    return
                self._transport.write(len(reply).to_bytes(2, "big") + reply)


@asynccontextmanager
async def serving(
    udp: Answering, tcp: Answering | None = None, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Answer at a free port; without `tcp` by TCP the same as by UDP."""
    loop = asyncio.get_running_loop()
    server = Server(udp, tcp or udp)
    listener = await loop.create_server(lambda: _Tcp(server), HOST, 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), local_addr=(HOST, server.port))
    try:
        yield server
    finally:
        transport.close()
        listener.close()
        for connection in server.open:
            connection.abort()
        await listener.wait_closed()
        for _ in range(3):
            await asyncio.sleep(0)


def silent(message: bytes) -> list[bytes]:
    """Answer nothing."""
    return []


def made(
    *records: str,
    rcode: int = 0,
    authority: Iterable[str] = (),
    additional: Iterable[str] = (),
    flags: int = 0,
) -> Answering:
    """Answer every question with records, each as `owner ttl type data`; `@` is the name that was asked for."""

    def answer(message: bytes) -> list[bytes]:
        query = dns.message.from_wire(message)
        reply = dns.message.make_response(query, recursion_available=True)
        reply.flags |= flags
        reply.set_rcode(dns.rcode.Rcode(rcode))
        asked = query.question[0].name.to_text()
        for section, lines in ((reply.answer, records), (reply.authority, authority), (reply.additional, additional)):
            for line in lines:
                owner, ttl, type_, data = line.replace("@", asked, 1).split(" ", 3)
                section.append(dns.rrset.from_text(owner, int(ttl), "IN", type_, data))
        # As they stand on the wire: the question byte for byte.
        end = 12 + len(query.question[0].name.to_wire() or b"") + 4
        whole = reply.to_wire(max_size=65535)
        return [whole[:12] + message[12:end] + whole[end:]]

    return answer


def pool(*endpoints: Endpoint, policy: str = "sequential", patience: Patience = QUICK, limits: Limits = LIMITS) -> Pool:
    return Pool([Upstream(one) for one in endpoints], policy, patience, limits)


def resolver(
    *endpoints: Endpoint,
    clock: Callable[[], float] | None = None,
    stale: float = 0.0,
    policy: Policy = Policy(),  # noqa: B008
    zones: dict[bytes, Pool | None] | None = None,
    special: SpecialNames | None = None,
    limits: Limits = LIMITS,
    port: int = 53,
) -> Resolver:
    """Make a resolver that asks servers; port: that of name servers which zones of ours name."""
    more = {} if clock is None else {"clock": clock}
    return Resolver(
        Routes(pool(*endpoints, limits=limits), zones or {}),
        Cache(1 << 20, stale=stale),
        policy,
        special=special,
        delegated=lambda servers: pool(*[Endpoint("udp", socket.inet_ntoa(one), port) for one in servers]),
        **more,
    )


def question(
    name: str,
    type_: str = "A",
    *,
    dnssec_ok: bool = False,
    checking_disabled: bool = False,
    servers: Iterable[str] = (),
) -> Question:
    addresses = tuple(map(socket.inet_aton, servers))
    return Question(wire.name_from_text(name), codes.type_from_text(type_), dnssec_ok, checking_disabled, addresses)


async def ask(server: Resolver, asked: Question | str) -> Foreign:
    found = server(question(asked) if isinstance(asked, str) else asked)
    return await found if isinstance(found, asyncio.Future) else found


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what is to come."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)
