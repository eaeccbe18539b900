"""Response rate limiting: how many answers of a kind a network is sent in a second, for its senders may be forged.

Who forges queries has us send the answers to somebody else, who asked for nothing. So answers to a network are
counted, and beyond the limit most are left out. Some are sent as small as the query and truncated, so that a client who
is really there asks again over TCP, where nobody forges an address.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from time import monotonic_ns

from zonemint.dns import codes

__all__ = ["RateLimit", "Verdict"]

_REMEMBERED = 16_384
"""How many networks and kinds of answers are kept in each half of the table, some 2 MB."""
_SECOND = 1_000_000_000


class Verdict(IntEnum):
    """What becomes of an answer."""

    SEND = 0
    TRUNCATE = 1
    DROP = 2


class RateLimit:
    """The limits of one class of clients; networks are /24 of IPv4 and /56 of IPv6.

    rate: answers of a kind in a second; burst: seconds' worth of them that are sent at once; slip: each of how many
    answers beyond is sent truncated, 0 for none, 1 for all; clock: nanoseconds. truncated,
    dropped: how many there were.
    """

    def __init__(self, rate: int, *, slip: int = 2, burst: int = 2, clock: Callable[[], int] = monotonic_ns) -> None:
        self._clock = clock
        self._interval = _SECOND // rate
        self._burst = burst * _SECOND
        self._slip = slip
        # A bucket is the time at which it would be empty again if nothing more were sent (the generic cell rate
        # algorithm). Who is not in the younger half of the table is looked for in the other one, which is forgotten
        # when the younger one is full; so a flood of networks cannot make it grow.
        self._young: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}
        self._beyond = 0
        self.truncated = 0
        self.dropped = 0

    def judge(self, address: bytes, reply: bytes) -> Verdict:
        """Count an answer to a packed address, and say whether it is sent."""
        now = self._clock()
        network = (address[:3] if len(address) == 4 else address[:7]) + _kind(reply)
        young = self._young
        until = young.get(network)
        if until is None:
            until = self._old.get(network, 0)
            if len(young) >= _REMEMBERED:
                self._old, self._young = young, {}
                young = self._young
        if until < now:
            until = now
        elif until - now >= self._burst:
            young[network] = until
            return self._limit()
        young[network] = until + self._interval
        return Verdict.SEND

    def _limit(self) -> Verdict:
        self._beyond += 1
        if self._slip and not self._beyond % self._slip:
            self.truncated += 1
            return Verdict.TRUNCATE
        self.dropped += 1
        return Verdict.DROP


_ANSWER, _NEGATIVE, _EMPTY, _ERROR = b"a", b"n", b"e", b"x"


def _kind(reply: bytes) -> bytes:
    """Tell what kind of answer it is: each has limits of its own, so that a flood of one leaves room for the others."""
    rcode = reply[3] & 15
    if rcode == codes.NOERROR:
        return _ANSWER if reply[6] or reply[7] else _EMPTY
    return _NEGATIVE if rcode == codes.NXDOMAIN else _ERROR
