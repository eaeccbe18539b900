"""Which servers are asked for which names: those of the longest suffix that the settings know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from zonemint.dns import wire
from zonemint.dns.forward.pool import Pool

__all__ = ["Routes"]

Target: TypeAlias = "Pool | None"
"""The servers; None where nobody is to be asked."""


class Routes:
    """The servers of zones (lower-case wire form), and those for all other names."""

    def __init__(self, usual: Target, zones: Mapping[bytes, Target]) -> None:
        self.usual = usual
        self.zones = dict(zones)

    def find(self, name: bytes) -> tuple[bytes, Target]:
        """Return the servers for a name, and the suffix for which they are; that is the root for the usual ones."""
        if self.zones:
            at = 0
            while name[at]:
                suffix = name[at:]
                if suffix in self.zones:
                    return suffix, self.zones[suffix]
                at += 1 + name[at]
        return wire.ROOT, self.usual

    def is_elsewhere(self, pool: Pool, name: bytes) -> bool:
        """Tell whether the settings name others than these servers for a name."""
        suffix, found = self.find(name)
        return suffix != wire.ROOT and found is not pool

    def pools(self) -> Iterator[tuple[bytes, Pool]]:
        """Iterate over all servers, each with its suffix."""
        for suffix, pool in ((wire.ROOT, self.usual), *self.zones.items()):
            if pool is not None:
                yield suffix, pool
