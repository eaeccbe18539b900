"""Removal of what is past its time, in steps: each is one short transaction, and what it leaves the next one takes.

An order goes at once with all that belongs to it, its certificate too, so nobody finds the half of one. On a server
database others write meanwhile: rows go in the order in which others lock them, and what was added to an order in the
last moment makes the step fail, by its foreign key, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = ["KINDS", "Swept", "certificates", "orders", "proofs", "txt_values", "used_tokens"]

KINDS = ("certificates", "orders", "authorizations", "txt_values")
"""What is counted; validations and stories go uncounted, with their order, and so do proofs and used tokens."""

_BATCH = 50  # values in one statement, whose text is always the same
_PLACES = ", ".join(f"${number}" for number in range(1, _BATCH + 1))
_ids = msgspec.json.Decoder(tuple[str, ...])


class Swept(NamedTuple):
    """What one step did: rows removed by kind, whether there is more to do now, and where the next step goes on."""

    gone: dict[str, int]
    more: bool
    after: str = ""


def certificates(*, ended_before: int, limit: int) -> Steps[Swept]:
    """Remove certificates that ended before a time, in seconds, the oldest end first, with the orders they were for.

    A serial that was reserved and never signed goes as a certificate does.
    """
    rows = yield Sql(
        "SELECT c.serial, o.id, o.authorizations FROM certificates AS c LEFT JOIN orders AS o ON o.id = c.order_id "
        "WHERE c.not_after < $1 ORDER BY c.not_after LIMIT $2",
        (ended_before, limit),
    )
    gone = {"certificates": (yield from _delete("certificates", "serial", [row[0] for row in rows]))}
    gone |= yield from _delete_orders([(order_id, ids) for _, order_id, ids in rows if order_id is not None])
    return Swept(gone, len(rows) == limit)


def orders(after: str, *, ended_before: int, limit: int) -> Steps[Swept]:
    """Remove orders that came to nothing and expired before a time, in seconds, in the order in which they were made.

    The walk goes on after an id. It ends at the first order that is neither valid nor so long expired, for later ones
    hardly end sooner, and the next walk begins there. A valid order is passed for good: it goes with its certificate.
    """
    rows = yield Sql("SELECT id, status, expires_at FROM orders WHERE id > $1 ORDER BY id LIMIT $2", (after, limit))
    due: list[str] = []
    more = len(rows) == limit
    for order_id, status, expires_at in rows:
        if status != "valid":
            if expires_at >= ended_before:
                more = False
                break
            due.append(order_id)
        after = order_id
    # Ended first, and only if it still is what it was: another node may just sign for it.
    ended = yield from _for_each(
        f"UPDATE orders SET status = 'invalid' WHERE id IN ({_PLACES}) AND status <> 'valid' "
        "RETURNING id, authorizations",
        due,
    )
    return Swept((yield from _delete_orders(ended)), more, after)


def proofs(after: str, *, ended_before: int, limit: int) -> Steps[Swept]:
    """Remove proofs of control that expired before a time, in seconds, in the order of their accounts and names."""
    place = tuple(after.split("\n")) if after else ("", "", "")
    columns = "(account_id, identifier_type, identifier_value)"
    rows = yield Sql(
        f"SELECT account_id, identifier_type, identifier_value FROM proofs WHERE {columns} > ($1, $2, $3) "
        "ORDER BY account_id, identifier_type, identifier_value LIMIT $4",
        (*place, limit),
    )
    if not rows:
        return Swept({}, False)
    yield Sql(
        f"DELETE FROM proofs WHERE {columns} > ($1, $2, $3) AND {columns} <= ($4, $5, $6) AND expires_at < $7",
        (*place, *rows[-1], ended_before),
    )
    more = len(rows) == limit
    return Swept({}, more, "\n".join(rows[-1]) if more else "")


def used_tokens(*, ended_before: int, limit: int) -> Steps[Swept]:
    """Forget one-time tokens that ended before a time, in seconds: nobody can use them any more."""
    rows = yield Sql(
        "SELECT id FROM used_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2", (ended_before, limit)
    )
    yield from _delete("used_tokens", "id", [row[0] for row in rows])
    return Swept({}, len(rows) == limit)


def txt_values(after: str, *, older_than_ms: int, limit: int) -> Steps[Swept]:
    """Remove values of the acme-dns API that were set before a time, in milliseconds, of the accounts after a name."""
    rows = yield Sql(
        "SELECT DISTINCT subdomain FROM txt_values WHERE subdomain > $1 ORDER BY subdomain LIMIT $2", (after, limit)
    )
    if not rows:
        return Swept({}, False)
    last: str = rows[-1][0]
    gone = yield Sql(
        "DELETE FROM txt_values WHERE subdomain > $1 AND subdomain <= $2 AND updated_ms < $3 RETURNING subdomain",
        (after, last, older_than_ms),
    )
    more = len(rows) == limit
    return Swept({"txt_values": len(gone)}, more, last if more else "")


def _delete_orders(orders: Sequence[Row]) -> Steps[dict[str, int]]:
    """Remove orders, each given with the JSON of its authorizations, and all that is theirs; count them by kind."""
    order_ids = [order_id for order_id, _ in orders]
    authorization_ids = [one for _, ids in orders for one in _ids.decode(ids)]
    yield from _delete("validations", "authorization_id", authorization_ids)
    authorizations = yield from _delete("authorizations", "id", authorization_ids)
    yield from _delete("signings", "order_id", order_ids)
    yield from _delete("traces", "order_id", order_ids)
    return {"orders": (yield from _delete("orders", "id", order_ids)), "authorizations": authorizations}


def _delete(table: str, column: str, values: Sequence[str]) -> Steps[int]:
    """Remove the rows that have one of the values; return how many those were."""
    gone = yield from _for_each(f"DELETE FROM {table} WHERE {column} IN ({_PLACES}) RETURNING {column}", values)
    return len(gone)


def _for_each(text: str, values: Sequence[str]) -> Steps[list[Row]]:
    """Run a statement for values in batches; return what it gives."""
    found: list[Row] = []
    for start in range(0, len(values), _BATCH):
        some = values[start : start + _BATCH]
        found += yield Sql(text, (*some, *[some[-1]] * (_BATCH - len(some))))
    return found
