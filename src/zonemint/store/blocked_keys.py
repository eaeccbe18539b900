"""Keys that no certificate may carry again, by the hex SHA-256 of their SubjectPublicKeyInfo."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["BlockedKey", "block", "listing", "reason", "unblock"]


class BlockedKey(NamedTuple):
    """A row; `blocked_at` in seconds since 1970."""

    key_hash: str
    blocked_at: int
    reason: str


def block(key_hash: str, *, now: int, reason: str) -> Steps[bool]:
    """Refuse this key in later requests (RFC 8555 section 7.6, key compromise); tell whether it was not refused yet."""
    rows = yield Sql(
        "INSERT INTO blocked_keys VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING key_hash",
        (key_hash, now, reason),
    )
    return bool(rows)


def unblock(key_hash: str) -> Steps[bool]:
    """Refuse this key no longer; tell whether it was refused."""
    rows = yield Sql("DELETE FROM blocked_keys WHERE key_hash = $1 RETURNING key_hash", (key_hash,))
    return bool(rows)


def reason(key_hash: str) -> Steps[str | None]:
    """Return why a key is refused, or None when it is not."""
    rows = yield Sql("SELECT reason FROM blocked_keys WHERE key_hash = $1", (key_hash,))
    return rows[0][0] if rows else None


def listing(*, limit: int) -> Steps[list[BlockedKey]]:
    """Return refused keys, the newest first."""
    rows = yield Sql(
        "SELECT key_hash, blocked_at, reason FROM blocked_keys ORDER BY blocked_at DESC, key_hash LIMIT $1", (limit,)
    )
    return [BlockedKey(*row) for row in rows]
