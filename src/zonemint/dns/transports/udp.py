"""One UDP socket of the server on the event loop."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import perf_counter

from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Later, Ready
from zonemint.dns.answers.tally import Durations
from zonemint.dns.answers.views import Views
from zonemint.dns.transports import batch
from zonemint.dns.transports.batch import Origin
from zonemint.dns.transports.pace import Pace
from zonemint.dns.transports.query_log import QueryLog

__all__ = ["UdpListener"]

_BATCH = 64
_RECEIVE_BUFFER = 1 << 20
_ANCILLARY = 64
_IP_PKTINFO = getattr(socket, "IP_PKTINFO", 8 if sys.platform == "linux" else 26)


class UdpListener:
    """Answers the datagrams of one bound, non-blocking socket until it is closed.

    batched: use recvmmsg and sendmmsg; by default where they exist.
    """

    def __init__(
        self,
        sock: socket.socket,
        views: Views,
        freshen: Callable[[], None],
        durations: Durations,
        *,
        batched: bool | None = None,
        log: QueryLog | None = None,
    ) -> None:
        self._socket = sock
        self._views = views
        self._durations = durations
        self._log = log
        host = sock.getsockname()[0]
        any_address = host in {"0.0.0.0", "::"}  # noqa: S104  # compared, not bound
        if any_address and sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        elif any_address:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._serve: Callable[[], int] = self._serve_singly
        if batch.available() if batched is None else batched:
            self._serve = batch.Batch(
                sock, views, self._postpone, any_address=any_address, durations=durations, log=log
            ).serve
        self._freshen = freshen
        self._pace = Pace(sock.fileno(), self._receive, _BATCH)
        self._pace.start()

    def _receive(self) -> int:
        self._freshen()
        return self._serve()

    def _serve_singly(self) -> int:
        """Do what Batch.serve does, with a system call for each datagram."""
        for seen in range(_BATCH):
            try:
                message, ancillary, _, address = self._socket.recvmsg(4096, _ANCILLARY)
            except OSError:
                return seen
            client = Client.of(address[0], address[1], Transport.UDP)
            began = perf_counter()
            reply = self._views.of(client.address).respond(message, client)
            took = perf_counter() - began
            if self._log is not None and not isinstance(reply, Later):
                self._log.note(client, message, reply if isinstance(reply, bytes) else None, took)
            if isinstance(reply, bytes):
                self._durations.note(Transport.UDP, took)
                self._send(Origin(address, ancillary), reply)
            elif isinstance(reply, Later):
                self._postpone(reply, Origin(address, ancillary), client, message)
        return _BATCH

    def _postpone(self, later: Later, origin: Origin, client: Client, message: bytes) -> None:
        send: Callable[[Ready], None] = self._durations.noting(Transport.UDP, partial(self._send, origin))
        later.then(send if self._log is None else self._log.noting(client, message, send))

    def _send(self, origin: Origin, reply: Ready) -> None:
        if not isinstance(reply, bytes):
            return
        # What cannot be sent, since the socket is full or closed, is as lost as on the way: the client asks again.
        with suppress(OSError):
            self._socket.sendmsg([reply], origin.ancillary, 0, origin.address)

    def pause(self) -> None:
        """Stop answering; what comes meanwhile waits in the socket."""
        self._pace.stop()

    def resume(self) -> None:
        """Go on answering."""
        self._pace.start()

    def close(self) -> None:
        """Stop answering and close the socket."""
        self._pace.stop()
        self._pace.close()
        self._socket.close()
