"""Sets of host names and addresses as people write them: in the settings, and on the command line.

`web.lab.test` is that name, `*.lab.test` every name below, `10.1.0.0/16` or `10.1.2.3` addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import NamedTuple, Self

from zonemint.core.errors import BadName
from zonemint.core.hosts import with_wildcard
from zonemint.core.names import is_within, parent

__all__ = ["Patterns", "spelled"]


def spelled(text: str) -> str:
    """Return one pattern in its one spelling; raises BadName."""
    if "/" in text or ":" in text or text.replace(".", "").isdigit():
        try:
            network = ip_network(text)
        except ValueError as error:
            raise BadName(f"{error}; a network is written as in 10.1.0.0/16") from None
        return str(network)
    return with_wildcard(text)


class Patterns(NamedTuple):
    """Names that are meant exactly, names below which all are meant, and networks."""

    exact: frozenset[str]
    below: tuple[str, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]

    @classmethod
    def read(cls, texts: Iterable[str]) -> Self:
        """Read patterns; raises BadName."""
        found = list(map(spelled, texts))
        return cls(
            frozenset(one for one in found if "/" not in one and not one.startswith("*.")),
            tuple(one[2:] for one in found if one.startswith("*.")),
            tuple(ip_network(one) for one in found if "/" in one),
        )

    def names(self) -> tuple[str, ...]:
        """Return the names in the patterns, without `*.`."""
        return (*self.exact, *self.below)

    def hold(self, name: str) -> bool:
        """Tell whether all that a normalized name stands for is meant: of `*.lab.test`, every name below."""
        if name.startswith("*."):
            return any(is_within(name[2:], one) for one in self.below)
        return name in self.exact or any(name != one and is_within(name, one) for one in self.below)

    def touch(self, name: str) -> bool:
        """Tell whether anything that a normalized name stands for is meant: of `*.lab.test`, any name just below."""
        if self.hold(name):
            return True
        return name.startswith("*.") and any(parent(one) == name[2:] for one in self.exact)

    def hold_address(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether an address is meant."""
        return any(address in network for network in self.networks)
