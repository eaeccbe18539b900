"""The main process's side: workers are started and watched, told of every change, and answered what they ask."""

from __future__ import annotations

import asyncio
import socket
from asyncio import Future
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import cast

import msgspec
import structlog

from zonemint.core.errors import StoreError
from zonemint.dns import wire
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Ready
from zonemint.dns.answers.tally import Duration, Kind, Tally
from zonemint.dns.server import DnsServer
from zonemint.dns.workers.messages import (
    Acknowledged,
    Asked,
    Begun,
    Changed,
    Counts,
    Ended,
    Frames,
    FromWorker,
    Gone,
    Handed,
    Line,
    Loaded,
    Nodes,
    Records,
    Replied,
    Serve,
    Settings,
    Values,
    frame,
)
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.zone import TxtSource, TxtValues, TxtZone, Zone

__all__ = ["Pool"]

_TOGETHER = 2_000
"""Names of a zone in one message."""
_AT_ONCE = 1 << 16
"""Bytes that are sent to a worker in one turn of the loop."""
_UNSENT = 1 << 20
"""Bytes that a worker has not read before no more are made for it."""
_PATIENCE = 2.0
"""Seconds in which a worker has to acknowledge a change; one that does not is ended, since its answers may be old."""
_FIRST_PAUSE, _LAST_PAUSE = 0.1, 10.0
"""Seconds until a worker that ended is started again, the first time and at most."""
_SOUND = 30.0
"""Seconds for which a worker has to live, so that its end is none of a row."""

_log = structlog.get_logger()

_Answers = Mapping[Kind, Tally]


class Pool:
    """Keeps workers for the shares of a server's datagrams; without its worker a share is served here.

    command: starts a worker, but for the descriptors of its socket to us and of those that it serves, which follow;
    catalogs: by view; values: the sources of TXT values by zone; line: takes what the log of queries is to hold.
    """

    def __init__(
        self,
        server: DnsServer,
        command: Sequence[str],
        settings: Settings,
        catalogs: Mapping[str, Catalog],
        values: Mapping[str, TxtSource],
        line: Callable[[str], None],
    ) -> None:
        self.server = server
        self.command = command
        self.settings = settings
        self.catalogs = catalogs
        self.values = values
        self.line = line
        self.number = 1
        server.others = self
        self._keepers: list[_Keeper] = []
        for view, catalog in catalogs.items():
            catalog.watch(partial(self._changed, view))

    def start(self) -> None:
        """Start a worker for each share of the server."""
        self._keepers = [_Keeper(self, share) for share in range(self.server.shares)]

    async def ready(self) -> None:
        """Wait until each worker has served once."""
        await asyncio.gather(*[keeper.served.wait() for keeper in self._keepers])

    async def settled(self) -> None:
        """Wait until every change made so far is seen by every query that anybody sends from now on."""
        await asyncio.gather(*[keeper.settled(self.number) for keeper in self._keepers])

    async def close(self) -> None:
        """End all workers; the server has their shares again."""
        await asyncio.gather(*[keeper.close() for keeper in self._keepers])
        self._keepers = []

    def pids(self) -> list[int]:
        """Return the ids of the processes that serve now."""
        return [keeper.pid for keeper in self._keepers if keeper.pid]

    def counts(self) -> list[Counts]:
        """Return what the workers last told, and those that were before them told in the end."""
        return [counts for keeper in self._keepers for counts in keeper.counts()]

    def answers(self) -> list[_Answers]:
        """Return how many answers the workers have given, for `tally.add_up`."""
        return [{Kind(*kind): tally for kind, tally in counts.answers} for counts in self.counts()]

    def durations(self) -> list[Duration]:
        """Return how long they took, all by UDP."""
        return [Duration(*counts.durations) for counts in self.counts()]

    def limited(self) -> Mapping[str, int]:
        """Return how many answers of theirs were beyond the limit of a network, by what became of them."""
        total: Counter[str] = Counter()
        for counts in self.counts():
            total.update(counts.limited)
        return total

    def _changed(self, view: str, apex: bytes, delta: Delta | None) -> None:
        self.number += 1
        # What shines through from the usual view is told as the usual view's, and does so at the worker, too.
        there = self.catalogs[view].owns(apex)
        alike: list[bytes] = []
        if there is None:
            alike = [frame(Gone(view, wire.name_to_text(apex), self.number))]
        elif delta is not None and type(there) is Zone:
            alike = [frame(Changed(view, delta, self.number))]
        for keeper in self._keepers:
            keeper.tell(whole(view, there, self.number) if there is not None and not alike else alike)


def whole(view: str, zone: Zone, number: int) -> Iterator[bytes]:
    """Return what tells a zone as it is now, piece by piece; it may change while they are sent."""
    if isinstance(zone, TxtZone):
        records = tuple([(one.name, one.ttl, one.type, one.data) for one in zone.records()])
        return iter([frame(Records(view, zone.origin, records, number))])
    is_plain = type(zone) is Zone
    nodes = list(zone.nodes.items()) if is_plain else []
    parts = (frame(Nodes(tuple(nodes[at : at + _TOGETHER]))) for at in range(0, len(nodes), _TOGETHER))
    return chain([frame(Begun(view, zone.origin, is_plain))], parts, [frame(Ended(number))])


class _Keeper(asyncio.Protocol):
    """Keeps the worker of one share running; it is our end of the worker's socket, too."""

    def __init__(self, pool: Pool, share: int) -> None:
        self._pool = pool
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._decoder = msgspec.msgpack.Decoder(FromWorker)
        self._settling: deque[tuple[int, Future[None]]] = deque()
        self._before: Counts | None = None
        self._last: Counts | None = None
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._is_serving = False
        self._reset()
        self.served = asyncio.Event()
        self._task = self._loop.create_task(self._keep())

    def _reset(self) -> None:
        self._frames = Frames()
        self._unsent: deque[Iterator[bytes]] = deque()
        self._full = self._sending = False
        self._start = self._acknowledged = 0
        self._closed: Future[None] = self._loop.create_future()

    @property
    def pid(self) -> int:
        """The worker's process, while it serves; else 0."""
        return self._process.pid if self._process is not None and self._is_serving else 0

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = self._loop.time()
            try:
                await self._run()
            except OSError as error:
                _log.error("a DNS worker cannot be started, its share is served meanwhile", why=str(error))
            if self._loop.time() - began > _SOUND:
                pause = _FIRST_PAUSE
            _log.warning("a DNS worker ended, its share is served meanwhile", share=self._share, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    async def _run(self) -> None:
        """Start a worker and stay with it until it has ended."""
        pool = self._pool
        self._reset()
        ours, theirs = socket.socketpair()
        with theirs:
            shared = [theirs.fileno(), *pool.server.descriptors(self._share)]
            command = [*pool.command, *map(str, shared)]
            try:
                # It goes on when we are told to stop, and ends when our end of the socket is closed.
                process = await asyncio.create_subprocess_exec(
                    *command, pass_fds=shared, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
                )
            except BaseException:
                ours.close()
                raise
        self._process = process
        try:
            await self._loop.create_unix_connection(lambda: self, sock=ours)
            await self._closed
        finally:
            if self._transport is not None:
                self._transport.abort()
            # Nobody may answer from copies that are not kept true.
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self._end()

    def _end(self) -> None:
        self._process = self._transport = None
        if self._is_serving:
            self._is_serving = False
            self._pool.server.reclaim(self._share)
        self._before = _sum(self._before, self._last)
        self._last = None
        while self._settling:
            _, waiting = self._settling.popleft()
            if not waiting.done():
                waiting.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the worker what it needs to begin."""
        pool = self._pool
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_UNSENT)
        self.tell([frame(pool.settings)])
        for view, catalog in pool.catalogs.items():
            for zone in catalog.own():
                self.tell(whole(view, zone, 0))
        self._start = pool.number
        self.tell([frame(Loaded(pool.number))])

    def connection_lost(self, exc: Exception | None) -> None:
        """Have the worker ended."""
        if not self._closed.done():
            self._closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Do what the worker asks for."""
        for body in self._frames.feed(data):
            self._take(self._decoder.decode(body))

    def pause_writing(self) -> None:
        """Make no more messages for a worker that does not read them."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on."""
        self._full = False
        self._send()

    def tell(self, frames: Iterable[bytes]) -> None:
        """Send messages after all that were told before."""
        if self._transport is not None:
            self._unsent.append(iter(frames))
            if not self._sending:
                self._send()

    def _send(self) -> None:
        """Send some of what waits, and the rest in other turns of the loop."""
        self._sending = False
        size = 0
        while self._unsent and not self._full and self._transport is not None:
            data = next(self._unsent[0], None)
            if data is None:
                self._unsent.popleft()
                continue
            self._transport.write(data)
            size += len(data)
            if size > _AT_ONCE and not self._full:
                self._sending = True
                self._loop.call_soon(self._send)
                return

    async def settled(self, number: int) -> None:
        """Wait until the worker, while it serves, has made the changes up to a number."""
        if not self._is_serving or self._acknowledged >= number:
            return
        waiting: Future[None] = self._loop.create_future()
        self._settling.append((number, waiting))
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(waiting)
        except TimeoutError:
            _log.error("a DNS worker does not follow the changes of the zones and is ended", share=self._share)
            if self._process is not None:
                self._process.kill()
            await waiting

    def _take(self, told: FromWorker) -> None:
        match told:
            case Acknowledged():
                self._acknowledged = told.number
                while self._settling and self._settling[0][0] <= told.number:
                    _, waiting = self._settling.popleft()
                    if not waiting.done():
                        waiting.set_result(None)
                if not self._is_serving and told.number >= self._start:
                    self._pool.server.lend(self._share)
                    self._is_serving = True
                    self.tell([frame(Serve())])
                    self.served.set()
            case Asked():
                self._tell_values(told)
            case Handed():
                client = Client(told.address, told.port, Transport.UDP)
                self._pool.server.take(told.message, client, partial(self._reply, told.number))
            case Counts():
                self._last = told
            case Line():
                self._pool.line(told.text)

    def _reply(self, number: int, reply: Ready) -> None:
        self.tell([frame(Replied(number, reply if isinstance(reply, bytes) else None))])

    def _tell_values(self, asked: Asked) -> None:
        def told(values: TxtValues) -> None:
            self.tell([frame(Values(asked.number, None if values is None else tuple(values)))])

        def done(promised: Future[TxtValues]) -> None:
            try:
                told(promised.result())
            except StoreError as error:
                self.tell([frame(Values(asked.number, None, str(error)))])

        try:
            values = self._pool.values[asked.origin](asked.label)
        except StoreError as error:
            self.tell([frame(Values(asked.number, None, str(error)))])
            return
        if isinstance(values, Future):
            values.add_done_callback(done)
        else:
            told(values)

    def counts(self) -> list[Counts]:
        """Return what this worker told last, and what those before it did in the end."""
        return [one for one in (self._before, self._last) if one is not None]

    async def close(self) -> None:
        """End the worker."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _sum(one: Counts | None, other: Counts | None) -> Counts | None:
    if one is None or other is None:
        return one or other
    answers = dict(one.answers)
    for kind, tally in other.answers:
        before = answers.get(kind, [0] * len(tally))
        answers[kind] = [a + b for a, b in zip(before, tally, strict=True)]
    (counts, total), (more, rest) = one.durations, other.durations
    durations = [a + b for a, b in zip(counts, more, strict=True)], total + rest
    return Counts(tuple(answers.items()), durations, dict(Counter(one.limited) + Counter(other.limited)))
