"""The DNS server: UDP and TCP listeners over one responder."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from zonemint.core.errors import ConfigError
from zonemint.core.ports import bound, refusal
from zonemint.dns import codes
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Later, Ready, Stream
from zonemint.dns.answers.tally import Counted, Duration, Durations, Kind, Tally, add_up
from zonemint.dns.answers.views import Views
from zonemint.dns.transports.connections import Connections
from zonemint.dns.transports.query_log import QueryLog
from zonemint.dns.transports.tcp import TcpConnection
from zonemint.dns.transports.udp import UdpListener

__all__ = ["DnsServer"]

_BACKLOG = 128
_HERE = Client(b"\x7f\0\0\1", 0, Transport.TCP)
_ATTEMPTS = 16
"""How often a free port for UDP is tried, until TCP has it free too."""


class Others(Protocol):
    """Processes that answer shares of the datagrams, and what they have counted."""

    def answers(self) -> Sequence[Mapping[Kind, Tally]]:
        """Return what was answered, of each of them."""

    def durations(self) -> Sequence[Duration]:
        """Return how long that took."""

    def limited(self) -> Mapping[str, int]:
        """Return what was beyond the limit of a network."""


class DnsServer:
    """Answers messages over UDP and TCP on the running event loop, each client by the responder of its view.

    freshen: called before messages are answered, to take over what others changed;
    batched: see udp.UdpListener; tcp_limit, tcp_per_client: open connections, of all and of one client;
    tcp_idle: seconds until a quiet one is closed; log: what is told of each query.
    """

    def __init__(
        self,
        views: Views,
        *,
        freshen: Callable[[], None] = lambda: None,
        batched: bool | None = None,
        tcp_limit: int = 256,
        tcp_per_client: int = 256,
        tcp_idle: float = 10.0,
        log: QueryLog | None = None,
    ) -> None:
        self.port = 0
        self._views = views
        self._batched = batched
        self._freshen = freshen
        self._log = log
        self._durations = Durations()
        self._connections = Connections(
            views, freshen, self._durations, limit=tcp_limit, per_client=tcp_per_client, idle=tcp_idle, log=log
        )
        self.shares = 0
        self.others: Others | None = None
        self._shares: list[list[socket.socket]] = []
        self._udp: list[UdpListener] = []
        self._tcp: list[asyncio.Server] = []

    async def start(self, addresses: Sequence[str], port: int, *, shares: int = 0) -> None:
        """Listen on all IPv4 and IPv6 addresses at one port; 0 takes a port that is free for UDP and TCP.

        shares: over how many sockets the kernel divides the datagrams of each address, so that other processes may
        read some (Linux); 0 for one that is nobody else's. Raises ConfigError when that cannot be.
        """
        udp, tcp = _bind(addresses, port)
        self.port = udp[0].getsockname()[1]
        self.shares = shares
        if shares:
            # These were bound without sharing first, so that no other server has the port already.
            for sock in udp:
                sock.close()
            self._shares = [_shared(addresses, self.port) for _ in range(shares)]
            udp = [sock for share in self._shares for sock in share]
        self._udp = [
            UdpListener(sock, self._views, self._freshen, self._durations, batched=self._batched, log=self._log)
            for sock in udp
        ]
        loop = asyncio.get_running_loop()
        for sock in tcp:
            self._tcp.append(await loop.create_server(lambda: TcpConnection(self._connections), sock=sock))

    def descriptors(self, share: int) -> list[int]:
        """Return the sockets of a share, for another process to read."""
        return [sock.fileno() for sock in self._shares[share]]

    def lend(self, share: int) -> None:
        """Leave the datagrams of a share to another process."""
        for listener in self._of(share):
            listener.pause()

    def reclaim(self, share: int) -> None:
        """Answer the datagrams of a share again."""
        for listener in self._of(share):
            listener.resume()

    def _of(self, share: int) -> list[UdpListener]:
        size = len(self._shares[share])
        return self._udp[share * size : (share + 1) * size]

    def connection(self) -> TcpConnection:
        """Make what answers a connection that somebody else accepted, such as one with TLS (RFC 7858)."""
        return TcpConnection(self._connections)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        for listener in self._udp:
            listener.close()
        for server in self._tcp:
            server.close()
        self._connections.close()
        for server in self._tcp:
            await server.wait_closed()
        self._udp, self._tcp = [], []

    async def answer(self, message: bytes) -> bytes:
        """Answer a well-formed query of this process, as it would be answered over TCP."""
        reply = await self.answer_to(message, _HERE)
        assert reply is not None
        return reply

    async def answer_to(self, message: bytes, client: Client) -> bytes | None:
        """Answer a message that came some other way, in one message of any size; None where silence is right."""
        answered: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

        def send(reply: Ready) -> None:
            # Whoever asked may have gone meanwhile.
            if not answered.done():
                answered.set_result(reply if isinstance(reply, bytes) else None)

        log = None if client is _HERE else self._log
        timed = self._durations.noting(client.transport, send)
        noted = timed if log is None else log.noting(client, message, timed)

        def whole(reply: Ready) -> None:
            if isinstance(reply, Stream):
                # What takes many messages is for connections that carry nothing else.
                reply = message[:2] + bytes((0x80 | message[2] & 0x79, codes.REFUSED)) + bytes(8)
            noted(reply)

        self.take(message, client, whole)
        return await answered

    def take(self, message: bytes, client: Client, send: Callable[[Ready], None]) -> None:
        """Answer a message that somebody else has read, at once or later; they know how long it took, and log it."""
        self._freshen()
        reply = self._views.of(client.address).respond(message, client)
        if isinstance(reply, Later):
            reply.then(send)
        else:
            send(reply)

    def limited(self) -> dict[str, int]:
        """Return how many answers were beyond their network's limit, by what became of them."""
        own = Counter(self._views.limited())
        if self.others is not None:
            own.update(self.others.limited())
        return dict(own)

    def queries(self) -> dict[tuple[str, str], int]:
        """Return how many queries were answered so far, by transport (`udp`, `tcp`) and rcode."""
        counts: Counter[tuple[str, str]] = Counter()
        for counted, count in self.answers().items():
            counts[counted.proto, counted.rcode] += count
        return counts

    def answers(self) -> Mapping[Counted, int]:
        """Return how many answers there were so far, by zone, transport, family, type and rcode."""
        others = [] if self.others is None else self.others.answers()
        return add_up([*(responder.tallies.counts() for responder in self._views.responders), *others])

    def durations(self) -> Mapping[Transport, Duration]:
        """Return how long answers took, by transport."""
        read = self._durations.read()
        for counts, total in [] if self.others is None else self.others.durations():
            own = read[Transport.UDP]
            both = [a + b for a, b in zip(own.counts, counts, strict=True)]
            read[Transport.UDP] = Duration(both, own.total + total)
        return read


def _shared(addresses: Sequence[str], port: int) -> list[socket.socket]:
    try:
        return [bound(address, port, socket.SOCK_DGRAM, backlog=_BACKLOG, shared=True) for address in addresses]
    except OSError as error:
        why = refusal(error, addresses[0], port, service="DNS", option="--dns-port", kind=socket.SOCK_DGRAM)
        raise ConfigError(why) from None


def _bind(addresses: Sequence[str], port: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Bind a UDP and a TCP socket to each address, all to one port."""
    for attempt in range(_ATTEMPTS):
        sockets: list[socket.socket] = []
        chosen = port
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                for address in addresses:
                    sockets.append(bound(address, chosen, kind, backlog=_BACKLOG))
                    chosen = sockets[0].getsockname()[1]
        except OSError as error:
            for sock in sockets:
                sock.close()
            if port == 0 and error.errno == errno.EADDRINUSE and attempt < _ATTEMPTS - 1:
                continue
            why = refusal(error, address, port, service="DNS", option="--dns-port", kind=kind)
            raise ConfigError(why) from None
        return sockets[: len(addresses)], sockets[len(addresses) :]
    raise AssertionError
