"""What clients were told: from then on the server owes it, whatever happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Account", "Issued", "Ledger"]


@dataclass(frozen=True, slots=True)
class Issued:
    """A downloaded certificate: its chain in PEM, the name that it is for, the URL of the account that has it."""

    chain: bytes
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the acme-dns API, with what its owner was told."""

    username: str
    password: str
    subdomain: str

    @property
    def headers(self) -> dict[str, str]:
        """What an update is sent with."""
        return {"X-Api-User": self.username, "X-Api-Key": self.password}


@dataclass(slots=True)
class Ledger:
    """Everything that any client was told; `counts` are the figures that a person wants to read.

    accounts: thumbprints by URL; orders: URLs with that of their account; issued, revoked: by serial in lower hex;
    values: those of a subdomain in the order of the updates; records: (name, type, data) -> whether it is there.
    """

    accounts: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    issued: dict[str, Issued] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    txt_accounts: dict[str, Account] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)
    records: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
