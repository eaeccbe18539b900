"""Replay nonces that several nodes share; the tables are PostgreSQL's alone, and a crash of its server empties them."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Lock, Sql, Steps

__all__ = ["NonceKey", "forget", "key", "use"]


class NonceKey(NamedTuple):
    """The secret that nonces are made with; its id tells whether it is still the one."""

    id: int
    key: bytes


def key(fresh: NonceKey) -> Steps[NonceKey]:
    """Return the key of all nodes, which is the given one if there is none."""
    yield Lock("nonce key")
    rows = yield Sql("SELECT id, key FROM nonce_keys")
    if rows:
        return NonceKey(*rows[0])
    yield Sql("INSERT INTO nonce_keys (id, key) VALUES ($1, $2)", tuple(fresh))
    return fresh


def use(number: int, key_id: int) -> Sql:
    """Use a nonce up, in a statement that stands alone; it returns a row for the first who asks, and no other.

    Nonces of a key that is no longer in the table are used already: nobody knows any more which of them were.
    """
    return Sql(
        "INSERT INTO used_nonces (number) SELECT CAST($1 AS BIGINT) "
        "WHERE EXISTS (SELECT 1 FROM nonce_keys WHERE id = $2) ON CONFLICT DO NOTHING RETURNING number",
        (number, key_id),
    )


def forget(before: int, *, limit: int) -> Steps[bool]:
    """Delete numbers of nonces that have expired, the oldest first; tell whether there may be more."""
    rows = yield Sql(
        "DELETE FROM used_nonces WHERE number IN "
        "(SELECT number FROM used_nonces WHERE number < $1 ORDER BY number LIMIT $2) RETURNING number",
        (before, limit),
    )
    return len(rows) == limit
