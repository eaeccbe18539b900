"""One worker: it answers datagrams from its copies, and asks the main process for what it cannot know."""

from __future__ import annotations

import asyncio
import socket
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, cast

import msgspec

from zonemint.core.errors import StoreUnavailable
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Elsewhere, Later, Reply, Services
from zonemint.dns.answers.tally import Durations
from zonemint.dns.answers.views import Views
from zonemint.dns.transports.query_log import QueryLog
from zonemint.dns.transports.udp import UdpListener
from zonemint.dns.workers.copies import Copies
from zonemint.dns.workers.messages import (
    Acknowledged,
    Asked,
    Counts,
    Frames,
    FromWorker,
    Handed,
    Line,
    Loaded,
    Records,
    Replied,
    Serve,
    Settings,
    ToWorker,
    Values,
    frame,
)
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import TxtSource, TxtValues

__all__ = ["MakeViews", "Worker"]

_WAITING = 1024
"""How many questions wait for the main process before more are refused: what asks for more is a flood."""
_PATIENCE = 5.0
"""Seconds after which nobody waits for an answer any more."""
_COUNTED = 0.5  # seconds between reports of what was counted

MakeViews = Callable[[Settings, Mapping[str, Catalog], Services, Callable[[str], None]], tuple[Views, QueryLog | None]]
"""Makes, of settings, catalogs and services, who answers whom, and what takes queries down; the last is for lines."""


class Worker(asyncio.Protocol):
    """The worker's end of the socket to the main process; when that closes, the worker is done.

    sockets: bound, and shared with the main process, which has stopped reading them when it says so.
    """

    def __init__(self, sockets: Sequence[socket.socket], make_views: MakeViews) -> None:
        self._sockets = sockets
        self._make_views = make_views
        self._frames = Frames()
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._loop = asyncio.get_running_loop()
        self._durations = Durations()
        self._listeners: list[UdpListener] = []
        self._waiting: dict[int, tuple[float, Future[Values | Replied], Values | Replied]] = {}
        self._number = 0
        self._reported: bytes | None = None
        self._views: Views
        self._log: QueryLog | None
        self._copies: Copies
        self._transport: asyncio.Transport
        self.ended: Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop.call_later(_COUNTED, self._report)

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer nothing more: without the main process nobody knows whether the copies are still true."""
        for listener in self._listeners:
            listener.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Do what the main process says, and acknowledge it all at once."""
        made = None
        for body in self._frames.feed(data):
            # What belongs to the start has the number 0, and is acknowledged as a whole.
            made = self._take(self._decoder.decode(body)) or made
        if made is not None:
            self._send(Acknowledged(made))

    def _take(self, told: ToWorker) -> int | None:
        match told:
            case Settings():
                self._begin(told)
            case Loaded():
                return told.number
            case Serve():
                self._serve()
            case Values() | Replied():
                if (waiting := self._waiting.pop(told.number, None)) is not None:
                    waiting[1].set_result(told)
            case Records():
                return self._copies.take(told, self._source(told.origin))
            case _:
                return self._copies.take(told)
        return None

    def _begin(self, settings: Settings) -> None:
        usual, *others = settings.views
        catalogs = {usual: (below := Catalog()), **{view: Catalog(below) for view in others}}
        services = Services(
            opcodes=dict.fromkeys(settings.opcodes, _elsewhere),
            types=dict.fromkeys(settings.types, _elsewhere),
            signing=lambda handler: _elsewhere,
            recursion=_elsewhere if settings.recursion else None,
            elsewhere=self._hand_over,
        )
        self._copies = Copies(catalogs)
        self._views, self._log = self._make_views(settings, catalogs, services, lambda line: self._send(Line(line)))

    def _serve(self) -> None:
        self._listeners = [
            UdpListener(sock, self._views, _nothing, self._durations, log=self._log) for sock in self._sockets
        ]

    def _source(self, origin: str) -> TxtSource:
        return lambda label: self._values(origin, label)

    def _values(self, origin: str, label: str) -> Future[TxtValues]:
        self._number += 1
        number = self._number
        answered = self._ask(Asked(number, origin, label), Values(number, None, "the main process does not answer"))
        if answered is None:
            raise StoreUnavailable("too many questions wait for the main process")
        values: Future[TxtValues] = self._loop.create_future()

        def told(done: Future[Values | Replied]) -> None:
            answer = done.result()
            assert isinstance(answer, Values)
            if answer.error:
                values.set_exception(StoreUnavailable(answer.error))
            else:
                values.set_result(answer.values)

        answered.add_done_callback(told)
        return values

    def _hand_over(self, message: bytes, client: Client) -> Reply:
        self._number += 1
        handed = Handed(self._number, message, client.address, client.port)
        answered = self._ask(handed, Replied(self._number, None))
        if answered is None:
            return None
        return Later(answered, lambda: cast("Replied", answered.result()).reply)

    def _ask(self, question: Asked | Handed, silence: Values | Replied) -> Future[Values | Replied] | None:
        """Ask the main process, and take its silence for something; None when too many wait already."""
        now = self._loop.time()
        if len(self._waiting) >= _WAITING:
            for number, (until, waiting, instead) in list(self._waiting.items()):
                if until <= now:
                    del self._waiting[number]
                    waiting.set_result(instead)
            if len(self._waiting) >= _WAITING:
                return None
        future: Future[Values | Replied] = self._loop.create_future()
        self._waiting[question.number] = (now + _PATIENCE, future, silence)
        self._send(question)
        return future

    def _report(self) -> None:
        """Tell what was counted, where it is more than was told before."""
        self._loop.call_later(_COUNTED, self._report)
        if not self._listeners:
            return
        answers: dict[tuple[bytes, str, int], list[int]] = {}
        for responder in self._views.responders:
            for kind, tally in responder.tallies.counts().items():
                before = answers.get(kind)
                answers[kind] = tally if before is None else [a + b for a, b in zip(before, tally, strict=True)]
        duration = self._durations.read()[Transport.UDP]
        limited = self._views.limited()
        report = frame(Counts(tuple(answers.items()), (duration.counts, duration.total), limited))
        if report != self._reported and not self._transport.is_closing():
            self._reported = report
            self._transport.write(report)

    def _send(self, message: FromWorker) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame(message))


def _elsewhere(*_: object) -> NoReturn:
    raise Elsewhere


def _nothing() -> None:
    """There is nothing to freshen: changes come by themselves."""
