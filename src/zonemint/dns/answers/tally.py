"""How many answers there were, of each kind, and how long they took."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias

from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Transport
from zonemint.dns.answers.services import Ready

__all__ = ["BOUNDS", "SLOTS", "Counted", "Duration", "Durations", "Kind", "Tallies", "Tally", "add_up"]

SLOTS: Final = tuple([(transport, family) for transport in Transport for family in (1, 2)])
"""What each place of a tally counts: answers by a transport, over IPv4 (1) or IPv6 (2), as IANA numbers them."""

Tally: TypeAlias = list[int]
"""Answers of one kind, by `SLOTS`: whoever gives one adds one, and nothing else has to be looked up."""

OTHER: Final = "other"
_TYPES: Final = frozenset(
    [
        "A",
        "AAAA",
        "ANY",
        "AXFR",
        "CAA",
        "CDNSKEY",
        "CDS",
        "CNAME",
        "DNAME",
        "DNSKEY",
        "DS",
        "HTTPS",
        "IXFR",
        "MX",
        "NAPTR",
        "NS",
        "NSEC",
        "NSEC3",
        "NSEC3PARAM",
        "PTR",
        "RRSIG",
        "SOA",
        "SRV",
        "SSHFP",
        "SVCB",
        "TLSA",
        "TXT",
    ]
)
"""Types with a count of their own. Anybody can ask for any of 65,536."""

BOUNDS: Final = tuple([0.00025 * 2**power for power in range(16)])
"""Seconds that divide the durations: those of CoreDNS."""


class Kind(NamedTuple):
    """What answers are counted by: the zone's apex in wire form (the root for what is not ours), type and rcode."""

    zone: bytes
    type: str
    rcode: int


class Counted(NamedTuple):
    """What answers are told apart by, as words; family is 1 for IPv4 and 2 for IPv6."""

    zone: str
    proto: str
    family: str
    type: str
    rcode: str


class Tallies:
    """The tallies of one responder; there are as many as its zones, the known types and the rcodes allow."""

    def __init__(self) -> None:
        self._tallies: dict[Kind, Tally] = {}
        self._of: dict[tuple[bytes, int, int], Tally] = {}

    def of(self, zone: bytes, type_: int, rcode: int) -> Tally:
        """Return the tally of answers with a code from the zone of this apex (lower-case wire form) about a type."""
        tally = self._of.get((zone, type_, rcode))
        if tally is None:
            text = codes.type_to_text(type_)
            kind = Kind(zone, text if text in _TYPES else OTHER, rcode)
            tally = self._tallies.setdefault(kind, [0] * len(SLOTS))
            if kind.type != OTHER:
                self._of[zone, type_, rcode] = tally
        return tally

    def counts(self) -> Mapping[Kind, Tally]:
        """Return what was counted."""
        return self._tallies


def add_up(many: Iterable[Mapping[Kind, Tally]]) -> Counter[Counted]:
    """Add what several counted, each kind and place by its words; what was never counted is left out."""
    found: Counter[Counted] = Counter()
    for tallies in many:
        for (zone, type_, rcode), tally in tallies.items():
            name = wire.name_to_text(zone)
            words = (name if name == "." else name + ".", type_, codes.rcode_to_text(rcode))
            for (transport, family), count in zip(SLOTS, tally, strict=True):
                if count:
                    found[Counted(words[0], transport.value, str(family), words[1], words[2])] += count
    return found


class Duration(NamedTuple):
    """How long answers of one transport took.

    counts: how many of them up to each of `BOUNDS`, and beyond the last; total: seconds of them all.
    """

    counts: list[int]
    total: float


class Durations:
    """How long answers took, from the moment that their messages were read until they were sent."""

    def __init__(self) -> None:
        self._counts = {transport: [0] * (len(BOUNDS) + 1) for transport in Transport}
        self._totals = dict.fromkeys(Transport, 0.0)

    def note(self, transport: Transport, seconds: float, count: int = 1) -> None:
        """Count answers that took this long, each of them."""
        self._counts[transport][bisect_left(BOUNDS, seconds)] += count
        self._totals[transport] += seconds * count

    def noting(self, transport: Transport, send: Callable[[Ready], None]) -> Callable[[Ready], None]:
        """Return what sends an answer that comes later, and counts its time then."""
        began = perf_counter()

        def noted(reply: Ready) -> None:
            if reply is not None:
                self.note(transport, perf_counter() - began)
            send(reply)

        return noted

    def read(self) -> dict[Transport, Duration]:
        """Return what was noted, by transport."""
        return {
            transport: Duration(list(counts), self._totals[transport]) for transport, counts in self._counts.items()
        }
