"""How much one account and one address may take (RFC 8555 section 6.6): counted by each node, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from zonemint.config import Limits as Settings
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.rates import Rates
from zonemint.store import orders
from zonemint.store.database import Steps
from zonemint.store.orders import Identifier

__all__ = ["Limits"]

_HOUR = 3600
_ACCOUNTS = 10_000  # whose orders are counted
_RETRY_PENDING = 60  # seconds until an account with too many open orders may try again


class Limits:
    """Refuses what is too much, with the seconds to wait: each method raises AcmeError rateLimited."""

    def __init__(self, settings: Settings) -> None:
        self.body_size = settings.body_size
        self.names_per_order = settings.names_per_order
        self._settings = settings
        self._accounts = Rates(settings.accounts_per_address)
        self._orders_from = Rates(settings.orders_per_address)
        self._orders_of = Rates(settings.orders_per_account)
        self._failures = Rates(settings.failures_per_name, period=_HOUR)
        self._room: dict[str, int] = {}
        self._holds = Rates(1, period=_RETRY_PENDING)

    def account(self, source: str) -> None:
        """Count a new account of an address."""
        if wait := self._accounts.wait(source):
            what = f"{source} made {self._settings.accounts_per_address} new accounts within a minute"
            raise _limited(what, wait, "accounts_per_address")

    def order(self, account_id: str, source: str) -> None:
        """Count a new order of an account and of an address."""
        if wait := self._orders_of.wait(account_id):
            what = f"the account made {self._settings.orders_per_account} new orders within a minute"
            raise _limited(what, wait, "orders_per_account")
        if wait := self._orders_from.wait(source):
            what = f"{source} made {self._settings.orders_per_address} new orders within a minute"
            raise _limited(what, wait, "orders_per_address")

    def names(self, account_id: str, identifiers: Iterable[Identifier]) -> None:
        """Refuse names of which the account had too many failed validations, each in a subproblem of its own."""
        refused = [
            (one, wait)
            for one in identifiers
            if (wait := self._failures.left(_key(account_id, one.value.removeprefix("*."))))
        ]
        if refused:
            many = f"failed {self._settings.failures_per_name} times within an hour"
            problems = [
                (one, _limited(f"the validation of {one.value} {many}", wait, "failures_per_name"))
                for one, wait in refused
            ]
            names = ", ".join(one.value for one, _ in refused[:5])
            wait = max(wait for _, wait in refused)
            raise _limited(f"the validation of {names} {many}", wait, "failures_per_name", problems)

    def failed(self, account_id: str, name: str) -> None:
        """Count a failed validation."""
        self._failures.wait(_key(account_id, name))

    def pending(self, account_id: str, *, now: int) -> Steps[None]:
        """Count an order that is made in this transaction among the account's open ones.

        They are counted in the store only when the account has made so many orders since the last time that it could
        have too many, so an account may come to a tenth more than the limit.
        """
        limit = self._settings.pending_orders
        if not limit:
            return
        room = self._room.pop(account_id, limit)
        if room <= 0:
            what = f"the account has {limit} orders that are neither finalized nor over"
            if wait := self._holds.left(account_id):
                self._room[account_id] = 0
                raise _limited(what, wait, "pending_orders")
            step = max(limit // 10, 1)
            found = yield from orders.count_open(account_id, now=now, among=limit + step)
            if found >= limit:
                self._room[account_id] = 0
                self._holds.wait(account_id)
                raise _limited(what, _RETRY_PENDING, "pending_orders")
            room = max(limit - found, step)
        self._room[account_id] = room - 1
        if len(self._room) > _ACCOUNTS:
            del self._room[next(iter(self._room))]


def _key(account_id: str, name: str) -> str:
    return f"{account_id} {name}"


def _limited(what: str, wait: int, setting: str, subproblems: Iterable[tuple[Identifier, AcmeError]] = ()) -> AcmeError:
    detail = f"{what}: try again in {wait} s (the setting is limits.{setting})"
    return AcmeError(
        AcmeErrorType.RATE_LIMITED,
        detail,
        headers={"Retry-After": str(wait)},
        subproblems=[(msgspec.structs.asdict(one), sub) for one, sub in subproblems],
    )
