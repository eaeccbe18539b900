"""What validation needs of DNS: one question to one server, and the facts of the answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Answer", "Resolver", "Rr"]


class Rr(NamedTuple):
    """A record of an answer; names are normalized, a TXT value is its strings joined (RFC 8555 section 8.4)."""

    name: str
    type: str
    value: str


class Answer(NamedTuple):
    """What a server answered; `server` is its address and port, `ms` the time that it took."""

    server: str
    rcode: str
    records: tuple[Rr, ...]
    ms: float


class Resolver(Protocol):
    """Asks a DNS server over the network, with no cache of ours in between."""

    async def __call__(self, name: str, type_: str) -> Answer:
        """Return the answer of one server; raises DnsFailure when none came, naming the server."""
        ...
