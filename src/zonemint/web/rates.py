"""How often an address may ask, in a bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

__all__ = ["Rates"]

_ADDRESSES = 10_000
_NETWORK = 64  # bits of an IPv6 address that stand for one client: it has all the others to itself


class Rates:
    """A number of requests a minute for each address, all of them at once if need be (the generic cell rate algorithm).

    One number is remembered for an address: the time at which it will have used up nothing. per_minute: 0 is no limit.
    When too many addresses are remembered the one that asked least recently is forgotten.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._due)

    def wait(self, source: str) -> int:
        """Count a request, and return 0; or return after how many seconds the address may ask again."""
        if not self._interval:
            return 0
        now = self._clock()
        client = _client(source)
        due = max(self._due.pop(client, now), now)
        early = due + self._interval - now - 60
        self._due[client] = due if early > 0 else due + self._interval
        if len(self._due) > _ADDRESSES:
            del self._due[next(iter(self._due))]
        return ceil(early) if early > 0 else 0


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
