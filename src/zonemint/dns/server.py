"""The DNS server: UDP and TCP listeners over one responder."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from zonemint.core.errors import ConfigError
from zonemint.core.ports import bound, refusal
from zonemint.dns import codes
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Later, Ready, Stream
from zonemint.dns.answers.tally import Counted, Duration, Durations, add_up
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
        self._udp: list[UdpListener] = []
        self._tcp: list[asyncio.Server] = []

    async def start(self, addresses: Sequence[str], port: int) -> None:
        """Listen on all IPv4 and IPv6 addresses at one port; 0 takes a port that is free for UDP and TCP.

        Raises ConfigError when that cannot be.
        """
        udp, tcp = _bind(addresses, port)
        self.port = udp[0].getsockname()[1]
        self._udp = [
            UdpListener(sock, self._views, self._freshen, self._durations, batched=self._batched, log=self._log)
            for sock in udp
        ]
        loop = asyncio.get_running_loop()
        for sock in tcp:
            self._tcp.append(await loop.create_server(lambda: TcpConnection(self._connections), sock=sock))

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
        self._freshen()
        answered: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()

        def send(reply: Ready) -> None:
            # Whoever asked may have gone meanwhile.
            if not answered.done():
                answered.set_result(reply)

        log = None if client is _HERE else self._log
        timed = self._durations.noting(client.transport, send)
        tell = timed if log is None else log.noting(client, message, timed)
        reply = self._views.of(client.address).respond(message, client)
        if isinstance(reply, Later):
            reply.then(tell)
        else:
            tell(reply)
        ready = await answered
        if isinstance(ready, Stream):
            # What takes many messages is for connections that carry nothing else.
            return message[:2] + bytes((0x80 | message[2] & 0x79, codes.REFUSED)) + bytes(8)
        return ready

    def limited(self) -> dict[str, int]:
        """Return how many answers were beyond their network's limit, by what became of them."""
        limits = {one.limit for one in self._views.responders if one.limit is not None}
        return {"truncated": sum(one.truncated for one in limits), "dropped": sum(one.dropped for one in limits)}

    def queries(self) -> dict[tuple[str, str], int]:
        """Return how many queries were answered so far, by transport (`udp`, `tcp`) and rcode."""
        counts: Counter[tuple[str, str]] = Counter()
        for counted, count in self.answers().items():
            counts[counted.proto, counted.rcode] += count
        return counts

    def answers(self) -> Mapping[Counted, int]:
        """Return how many answers there were so far, by zone, transport, family, type and rcode."""
        return add_up(responder.tallies.counts() for responder in self._views.responders)

    def durations(self) -> Mapping[Transport, Duration]:
        """Return how long answers took, by transport."""
        return self._durations.read()


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
