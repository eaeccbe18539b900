"""What the acme-dns API works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from zonemint.core.clock import Clock
from zonemint.store.database import Database

__all__ = ["AcmeDns"]


@dataclass(frozen=True, slots=True)
class AcmeDns:
    """The TXT record API of one auth zone.

    `registrars` are the networks whose hosts may register, none when registration is closed; `keep` is how many
    values an account holds, `lifetime` how many seconds a value is served.
    """

    db: Database
    clock: Clock
    zone: str
    registrars: Sequence[IPv4Network | IPv6Network]
    keep: int
    lifetime: float

    def now_ms(self) -> int:
        """Return the time in milliseconds."""
        return int(self.clock() * 1000)
