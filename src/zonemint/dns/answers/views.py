"""Which responder answers which clients: the one with the longest network that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zonemint.core.networks import Network
from zonemint.dns.answers.responder import Responder

__all__ = ["Views"]

_REMEMBERED = 16_384
"""How many addresses are remembered with their view before all are forgotten."""


class Views:
    """All responders of a server.

    usual: for clients in no network; others: networks and who answers the clients in them.
    """

    def __init__(self, usual: Responder, others: Sequence[tuple[Sequence[Network], Responder]] = ()) -> None:
        # Addresses may be forged, any number of them, so one that is not known yet has to be cheap too.
        self._four, self._six = ([*_tables(others, bits)] for bits in (32, 128))
        self._known: dict[bytes, Responder] = {}
        self.usual = usual
        self.responders = list(dict.fromkeys([usual, *(responder for _, responder in others)]))

    @property
    def only(self) -> Responder | None:
        """The responder, when there is but one."""
        return self.usual if len(self.responders) == 1 else None

    def limited(self) -> dict[str, int]:
        """Return how many answers were beyond their network's limit, by what became of them."""
        limits = {one.limit for one in self.responders if one.limit is not None}
        return {"truncated": sum(one.truncated for one in limits), "dropped": sum(one.dropped for one in limits)}

    def of(self, address: bytes) -> Responder:
        """Return who answers a client, by its packed address (4 or 16 bytes, `requestor.packed`)."""
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[address] = self._find(address)
        return found

    def _find(self, address: bytes) -> Responder:
        number = int.from_bytes(address, "big")
        for shift, table in self._four if len(address) == 4 else self._six:
            if (found := table.get(number >> shift)) is not None:
                return found
        return self.usual


_Table = tuple[int, dict[int, Responder]]


def _tables(others: Sequence[tuple[Sequence[Network], Responder]], bits: int) -> Iterator[_Table]:
    """Yield a table for each length of networks, the longest first: how far to shift an address, and who answers."""
    pairs = [
        (network, responder) for networks, responder in others for network in networks if network.max_prefixlen == bits
    ]
    for length in sorted({network.prefixlen for network, _ in pairs}, reverse=True):
        shift = bits - length
        yield shift, {int(one.network_address) >> shift: who for one, who in pairs if one.prefixlen == length}
