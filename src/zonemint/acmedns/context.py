"""What the acme-dns API works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from zonemint.acmedns.old_keys import OldKeys
from zonemint.core.clock import Clock
from zonemint.store.database import Database, Steps

__all__ = ["AcmeDns", "MakeAlias"]


class MakeAlias(Protocol):
    """Makes the CNAME of a domain's challenge, and does what belongs with it in the same transaction."""

    async def __call__(self, domain: str, target: str, *, actor: str, also: Callable[[], Steps[None]]) -> bool:
        """Return when DNS has the CNAME; False when the domain is in no zone of ours, and only the rest was done.

        Raises AcmeDnsError `cname_exists` when the name leads elsewhere by somebody else's doing.
        """
        ...


@dataclass(frozen=True, slots=True)
class AcmeDns:
    """The TXT record API of some auth zones, the first of which is where accounts are by default.

    `registrars` are the networks whose hosts may register without a token, None when registration is closed; `keep` is
    how many values an account holds, `lifetime` how many seconds a value is served; `server_url` is where clients find
    the API, and with `tells_url` a registration's reply has it.
    """

    db: Database
    clock: Clock
    zones: Sequence[str]
    registrars: Sequence[IPv4Network | IPv6Network] | None
    keep: int
    lifetime: float
    server_url: str
    tells_url: bool
    alias: MakeAlias
    old_keys: OldKeys = field(default_factory=OldKeys)

    def now_ms(self) -> int:
        """Return the time in milliseconds."""
        return int(self.clock() * 1000)

    def zone_at(self, host: str) -> str:
        """Return the auth zone of the host that a client speaks to, else the first one."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name.lower() if name.lower() in self.zones else self.zones[0]
