"""Which responder answers which clients: the one with the longest network that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from zonemint.dns.answers.responder import Responder

__all__ = ["Views"]

_REMEMBERED = 16_384
"""How many addresses are remembered with their view before all are forgotten."""

Network = IPv4Network | IPv6Network


class Views:
    """All responders of a server.

    usual: for clients in no network; others: networks and who answers the clients in them.
    """

    def __init__(self, usual: Responder, others: Sequence[tuple[Sequence[Network], Responder]] = ()) -> None:
        pairs = [(network, responder) for networks, responder in others for network in networks]
        self._pairs = sorted(pairs, key=lambda pair: pair[0].prefixlen, reverse=True)
        self._known: dict[bytes, Responder] = {}
        self.usual = usual
        self.responders = list(dict.fromkeys([usual, *(responder for _, responder in pairs)]))

    @property
    def only(self) -> Responder | None:
        """The responder, when there is but one."""
        return self.usual if len(self.responders) == 1 else None

    def of(self, address: bytes) -> Responder:
        """Return who answers a client, by its packed address (4 or 16 bytes, `requestor.packed`)."""
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            host = ip_address(address)
            found = next((responder for network, responder in self._pairs if host in network), self.usual)
            self._known[address] = found
        return found
