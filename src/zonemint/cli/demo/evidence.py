"""What the server wrote down about an order, and what its client holds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from cryptography import x509

from zonemint.cli.session import Session, run
from zonemint.clients import accounts
from zonemint.clients.accounts import Account
from zonemint.core.errors import NotHeld
from zonemint.core.trace import Event
from zonemint.store import authorizations, orders, traces
from zonemint.store.authorizations import Authorization
from zonemint.store.orders import Order

if TYPE_CHECKING:
    from zonemint.cli.demo.lab import Lab

__all__ = ["Holding", "Query", "Story", "account", "holding", "story"]

_PATIENCE = 3.0  # seconds for the last event, which the server writes after its reply


@dataclass(frozen=True, slots=True)
class Query:
    """A `dns-query` event that was answered: its question, and the records as (owner, type, value)."""

    event: Event
    question: str
    rcode: str
    records: tuple[tuple[str, str, str], ...]

    def values(self, owner: str, type_: str) -> list[str]:
        """Return what a name has of a type in this answer."""
        return [value for name, kind, value in self.records if (name, kind) == (owner, type_)]


@dataclass(frozen=True, slots=True)
class Story:
    """An order with its authorizations and its trace."""

    order: Order
    authorizations: tuple[Authorization, ...]
    events: tuple[Event, ...]

    def event(self, what: str) -> Event:
        """Return the first event of a kind; raises NotHeld when the trace has none."""
        found = self.all(what)
        if not found:
            raise NotHeld(f"the trace of order {self.order.id} has no event '{what}'")
        return found[0]

    def all(self, what: str) -> list[Event]:
        """Return all events of a kind."""
        return [event for event in self.events if event.what == what]

    def queries(self) -> list[Query]:
        """Return the CA's DNS queries that a server answered."""
        return [_query(event) for event in self.all("dns-query") if "rcode" in event.data]

    @property
    def problem(self) -> str:
        """The `detail` of the order's error (RFC 7807), empty when it has none."""
        return "" if self.order.error is None else str(msgspec.json.decode(self.order.error)["detail"])


@dataclass(frozen=True, slots=True)
class Holding:
    """What the client holds: its account with the TXT API (saved at `saved_at`, seconds) and its certificate."""

    account: Account
    saved_at: float
    certificate: x509.Certificate


def story(lab: Lab, names: Sequence[str], *, until: str) -> Story:
    """Return the newest order, which must be for these names, when its trace has an event; raises NotHeld."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = run(lab.data.path, _newest)
        if found is None or sorted(one.value for one in found.order.identifiers) != sorted(names):
            raise NotHeld(f"the server has no new order for {', '.join(names)}")
        if found.all(until) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def account(lab: Lab, name: str) -> Account:
    """Return the account that answers the challenges of a name; raises NotHeld."""
    found = accounts.load(lab.accounts, [name]).get(name)
    if found is None:
        raise NotHeld(f"{lab.accounts} has no account for {name}")
    return found


def holding(lab: Lab, name: str) -> Holding:
    """Return what the client holds for a name; raises NotHeld."""
    try:
        pem = (lab.live(name) / "cert.pem").read_bytes()
    except FileNotFoundError:
        raise NotHeld(f"certbot has no certificate for {name}") from None
    return Holding(account(lab, name), lab.accounts.stat().st_mtime, x509.load_pem_x509_certificate(pem))


async def _newest(session: Session) -> Story | None:
    for order in await session.db.read(orders.listing(limit=1)):
        authzs = await session.db.read(authorizations.of_order(order.authorizations))
        return Story(order, tuple(authzs or ()), tuple(await session.db.read(traces.of_order(order.id))))
    return None


def _query(event: Event) -> Query:
    """Take apart `TXT name? RCODE: owner TYPE value; owner TYPE value`."""
    question, _, answer = event.detail.partition("? ")
    records = [record.split(" ", 2) for record in answer.partition(": ")[2].split("; ")]
    return Query(
        event, question, event.data["rcode"], tuple((one[0], one[1], one[2]) for one in records if len(one) == 3)
    )
