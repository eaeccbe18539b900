"""All open connections, and how many there may be: of all, and of one client (RFC 7766 section 6.2, RFC 9210)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import takewhile
from typing import Protocol

from zonemint.dns.answers.tally import Durations
from zonemint.dns.answers.views import Views
from zonemint.dns.transports.query_log import QueryLog

__all__ = ["Connection", "Connections", "network_of"]

_CROWDED = 3 / 4
"""From which part of the places on connections have to speak more often to keep theirs."""
_HASTE = 5
"""How many times as often."""
_TURN = 64
_ROUND = 512
"""How many messages of all connections are answered in one go, some 5 milliseconds of work."""


class Connection(Protocol):
    """What is counted; `network` is its client's, as `network_of` has it."""

    network: bytes

    def abort(self) -> None:
        """Close it at once, and have it dropped here."""


def network_of(address: bytes) -> bytes:
    """Return what counts as one client: an IPv4 address, or 56 bits of IPv6, of which one person may have as many."""
    return address if len(address) == 4 else address[:7]


class Connections:
    """All open connections, the one that was quiet longest first, each with what it needs of the server.

    limit, per_client: when more come, the quietest is closed, of all or of the client; idle: seconds after which a
    quiet one is closed, a fifth of them when three quarters of the places are taken.
    """

    def __init__(
        self,
        views: Views,
        freshen: Callable[[], None],
        durations: Durations,
        *,
        limit: int = 256,
        per_client: int = 256,
        idle: float = 10.0,
        log: QueryLog | None = None,
    ) -> None:
        self.views = views
        self.freshen = freshen
        self.durations = durations
        self.log = log
        self._limit = limit
        self._per_client = per_client
        self._idle = idle
        self._open: dict[Connection, float] = {}
        self._of: dict[bytes, dict[Connection, None]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def turn(self) -> int:
        """How many messages of one connection are answered in one go, so that all that is on the loop lives."""
        return max(1, min(_TURN, _ROUND // (len(self._open) or 1)))

    def touch(self, connection: Connection) -> None:
        """Note that a connection was opened or said something."""
        own = self._of.setdefault(connection.network, {})
        own.pop(connection, None)
        own[connection] = None
        loop = asyncio.get_running_loop()
        self._open.pop(connection, None)
        self._open[connection] = loop.time()
        if len(own) > self._per_client:
            next(iter(own)).abort()
        elif len(self._open) > self._limit:
            next(iter(self._open)).abort()
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle / 10, self._close_idle)

    def drop(self, connection: Connection) -> None:
        """Forget a connection."""
        if self._open.pop(connection, None) is None:
            return
        own = self._of[connection.network]
        del own[connection]
        if not own:
            del self._of[connection.network]
        if not self._open and self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def overdue(self, now: float) -> list[Connection]:
        """Return those that have been quiet for too long at a time of the loop's clock."""
        crowded = len(self._open) > self._limit * _CROWDED
        last = now - (self._idle / _HASTE if crowded else self._idle)
        return [one for one, _ in takewhile(lambda opened: opened[1] <= last, self._open.items())]

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in self.overdue(loop.time()):
            connection.abort()
        self._sweep = loop.call_later(self._idle / 10, self._close_idle) if self._open else None

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.abort()
