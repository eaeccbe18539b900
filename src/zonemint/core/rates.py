"""How often somebody may do something, in a bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

__all__ = ["Rates"]

_CLIENTS = 10_000
_ROUNDING = 1e-6  # seconds: who waits as long as was said must not be told to wait for what sums of floats leave
_NETWORK = 64  # bits of an IPv6 address that stand for one client: it has all the others to itself


class Rates:
    """A number of requests in a period for each client, all at once if need be (the generic cell rate algorithm).

    A client is an address or any other name; an IPv6 address stands for its network. One number is remembered of it:
    the time at which it will have used up nothing. many: 0 is no limit. period: seconds. When too many clients are
    remembered the one that asked least recently is forgotten.
    """

    def __init__(self, many: int, clock: Callable[[], float] = monotonic, *, period: float = 60) -> None:
        self._interval = period / many if many else 0.0
        self._period = period
        self._clock = clock
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._due)

    def wait(self, source: str) -> int:
        """Count a request, and return 0; or return after how many seconds the client may ask again."""
        if not self._interval:
            return 0
        now = self._clock()
        client = _client(source)
        due = max(self._due.pop(client, now), now)
        early = self._early(due, now)
        self._due[client] = due if early > 0 else due + self._interval
        if len(self._due) > _CLIENTS:
            del self._due[next(iter(self._due))]
        return ceil(early) if early > 0 else 0

    def left(self, source: str) -> int:
        """Return what `wait` would, and count nothing."""
        now = self._clock()
        early = self._early(self._due.get(_client(source), now), now)
        return ceil(early) if self._interval and early > 0 else 0

    def _early(self, due: float, now: float) -> float:
        return due - now - (self._period - self._interval) - _ROUNDING


def _client(source: str) -> str:
    if ":" not in source:
        return source
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if not isinstance(address, IPv6Address):
        return source
    mapped = address.ipv4_mapped
    return str(mapped or ip_network((int(address), _NETWORK), strict=False))
