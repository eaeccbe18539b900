"""Requests for signatures that wait for a node with the CA's key."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Sql, Steps

__all__ = ["Signing", "add", "by_id", "finish", "forget", "remove", "remove_of_order", "take"]


class Signing(msgspec.Struct, frozen=True):
    """A row: a CSR in DER, of an order or, with `hosts` (names and addresses), of a node itself; times in seconds.

    `account_key` is the hex SHA-256 of the account's key; `serial` or `error` is set when a node's own is done.
    """

    id: str
    order_id: str | None
    hosts: tuple[str, ...]
    csr: bytes
    account_key: str
    requested_from: str
    requested_at: int
    serial: str = ""
    error: str = ""


_COLUMNS = "id, order_id, hosts, csr, account_key, requested_from, requested_at"
_hosts = msgspec.json.Decoder(tuple[str, ...])


def add(signing: Signing) -> Steps[None]:
    """Ask for a signature."""
    yield Sql(
        f"INSERT INTO signings ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        (
            signing.id,
            signing.order_id,
            msgspec.json.encode(signing.hosts).decode(),
            signing.csr,
            signing.account_key,
            signing.requested_from,
            signing.requested_at,
        ),
    )


def by_id(signing_id: str) -> Steps[Signing | None]:
    """Find a request."""
    rows = yield Sql(f"SELECT {_COLUMNS}, serial, error FROM signings WHERE id = $1", (signing_id,))
    return _signing(rows[0]) if rows else None


def take(holder: str, *, now_ms: int, until_ms: int, limit: int) -> Steps[list[Signing]]:
    """Take up requests that nobody works on; others leave them alone until then."""
    rows = yield Sql(
        "UPDATE signings SET holder = $1, until_ms = $2 WHERE id IN "
        "(SELECT id FROM signings WHERE until_ms <= $3 AND serial = '' AND error = '' "
        "ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED) "
        f"RETURNING {_COLUMNS}, serial, error",
        (holder, until_ms, now_ms, limit),
    )
    return sorted(map(_signing, rows), key=lambda one: one.id)


def finish(signing_id: str, *, serial: str = "", error: str = "") -> Steps[None]:
    """Tell a node the serial of its certificate, or why it gets none."""
    yield Sql("UPDATE signings SET serial = $2, error = $3 WHERE id = $1", (signing_id, serial, error))


def remove(signing_id: str) -> Steps[None]:
    """Forget a node's own request, which has been answered or is not waited for any more."""
    yield Sql("DELETE FROM signings WHERE id = $1", (signing_id,))


def forget(*, before: int) -> Steps[None]:
    """Forget what nodes asked for themselves before a time and did not wait for to the end."""
    yield Sql("DELETE FROM signings WHERE order_id IS NULL AND requested_at < $1", (before,))


def remove_of_order(order_id: str) -> Steps[None]:
    """Forget the request of an order, which is decided."""
    yield Sql("DELETE FROM signings WHERE order_id = $1", (order_id,))


def _signing(row: tuple[object, ...]) -> Signing:
    values = list(row)
    values[2] = _hosts.decode(str(row[2]))
    return Signing(*values)  # type: ignore[arg-type]
