"""Orders (RFC 8555 section 7.1.3)."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Row, Sql, Steps, require

__all__ = [
    "Identifier",
    "Order",
    "by_id",
    "claim",
    "count_open",
    "insert",
    "listing",
    "move",
    "newest_of_account",
    "of_account",
    "prove",
    "reserve",
]


class Identifier(msgspec.Struct, frozen=True, order=True):
    """What a certificate is asked for: type `dns` (with `*.` where asked) or `ip`."""

    type: str
    value: str


class Order(msgspec.Struct, frozen=True):
    """A row; `authorizations` are ids, `error` a problem document as JSON, times in seconds.

    `serial` is the one that its certificate will have, in lower hex, and `reserved_by` the process that may use it;
    `replaces` names the certificate whose place it takes, as RFC 9773 section 4.1 writes it.
    """

    id: str
    account_id: str
    provisioner: str
    status: str
    identifiers: tuple[Identifier, ...]
    authorizations: tuple[str, ...]
    profile: str
    not_before: int | None
    not_after: int | None
    created_at: int
    expires_at: int
    serial: str
    reserved_by: str
    error: str | None = None
    replaces: str | None = None


_COLUMNS = (
    "id, account_id, provisioner, status, identifiers, authorizations, profile, not_before, not_after, "
    "created_at, expires_at, serial, reserved_by, error, replaces"
)
_identifiers = msgspec.json.Decoder(tuple[Identifier, ...])
_ids = msgspec.json.Decoder(tuple[str, ...])


def by_id(order_id: str) -> Steps[Order | None]:
    """Find an order by its id."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM orders WHERE id = $1", (order_id,))
    return _order(rows[0]) if rows else None


def of_account(account_id: str, *, after: str = "", limit: int = 100) -> Steps[list[str]]:
    """Return ids of an account's orders, oldest first, those after a given one."""
    rows = yield Sql(
        "SELECT id FROM orders WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3", (account_id, after, limit)
    )
    return [row[0] for row in rows]


def listing(*, limit: int) -> Steps[list[Order]]:
    """Return the newest orders, newest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM orders ORDER BY id DESC LIMIT $1", (limit,))
    return [_order(row) for row in rows]


def newest_of_account(account_id: str, *, limit: int) -> Steps[list[str]]:
    """Return ids of an account's newest orders, newest first."""
    rows = yield Sql("SELECT id FROM orders WHERE account_id = $1 ORDER BY id DESC LIMIT $2", (account_id, limit))
    return [row[0] for row in rows]


def count_open(account_id: str, *, now: int, among: int) -> Steps[int]:
    """Count an account's orders that are neither finalized nor over, among its newest ones."""
    rows = yield Sql(
        "SELECT count(*) FROM (SELECT status, expires_at FROM orders WHERE account_id = $1 ORDER BY id DESC LIMIT $2) "
        "AS newest WHERE status IN ('pending', 'ready', 'processing') AND expires_at > $3",
        (account_id, among, now),
    )
    number: int = require(rows)[0]
    return number


def insert(order: Order) -> Steps[None]:
    """Add an order."""
    yield Sql(
        f"INSERT INTO orders ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        (
            order.id,
            order.account_id,
            order.provisioner,
            order.status,
            msgspec.json.encode(order.identifiers).decode(),
            msgspec.json.encode(order.authorizations).decode(),
            order.profile,
            order.not_before,
            order.not_after,
            order.created_at,
            order.expires_at,
            order.serial,
            order.reserved_by,
            order.error,
            order.replaces,
        ),
    )


def move(order_id: str, *, frm: str, to: str, error: str | None = None) -> Steps[bool]:
    """Change the status if it is still `frm`; tell whether it was."""
    rows = yield Sql(
        "UPDATE orders SET status = $3, error = $4 WHERE id = $1 AND status = $2 RETURNING id",
        (order_id, frm, to, error),
    )
    return bool(rows)


def prove(order_id: str, *, frm: str, to: str, expires_at: int) -> Steps[None]:
    """Note what an order's proofs make of it: its status, if it is still `frm`, and when it ends."""
    yield Sql(
        "UPDATE orders SET status = $3, expires_at = $4 WHERE id = $1 AND status = $2",
        (order_id, frm, to, expires_at),
    )


def reserve(order_id: str, *, while_: str, serial: str, reserved_by: str, instead_of: str) -> Steps[bool]:
    """Give the order another serial, for a process of its own, unless status or serial have changed meanwhile."""
    rows = yield Sql(
        "UPDATE orders SET serial = $3, reserved_by = $4 WHERE id = $1 AND status = $2 AND serial = $5 RETURNING id",
        (order_id, while_, serial, reserved_by, instead_of),
    )
    return bool(rows)


def claim(order_id: str, *, frm: str, to: str, serial: str, now: int) -> Steps[bool]:
    """Take an unexpired order, and its serial, for issuance: of all that ask, one is told True."""
    rows = yield Sql(
        "UPDATE orders SET status = $3 WHERE id = $1 AND status = $2 AND serial = $4 AND expires_at > $5 RETURNING id",
        (order_id, frm, to, serial, now),
    )
    return bool(rows)


def _order(row: Row) -> Order:
    values = list(row)
    values[4] = _identifiers.decode(row[4])
    values[5] = _ids.decode(row[5])
    return Order(*values)
