"""Keys for external account bindings (RFC 8555 section 7.3.4)."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = ["ExternalKey", "by_id", "insert", "listing", "names_of", "revoke", "use"]


class ExternalKey(msgspec.Struct, frozen=True):
    """A row: `id` is the key identifier; times in seconds.

    `secret` is the key of the MAC in base64url, empty once the key is revoked. `uses` is for how many accounts it is
    good, 0 any number; `names` are patterns of what those accounts may order, none is every name.
    """

    id: str
    provisioner: str
    label: str
    secret: str
    names: tuple[str, ...]
    uses: int
    used: int
    created_at: int
    created_by: str
    expires_at: int | None
    revoked_at: int | None = None


_COLUMNS = "id, provisioner, label, secret, names, uses, used, created_at, created_by, expires_at, revoked_at"
_names = msgspec.json.Decoder(tuple[str, ...])


def by_id(key_id: str) -> Steps[ExternalKey | None]:
    """Find a key by its identifier."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM external_keys WHERE id = $1", (key_id,))
    return _key(rows[0]) if rows else None


def listing() -> Steps[list[ExternalKey]]:
    """Return every key, oldest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM external_keys ORDER BY id")
    return [_key(row) for row in rows]


def names_of(key_id: str) -> Steps[tuple[str, ...]]:
    """Return the patterns of what accounts under a key may order; none is every name."""
    rows = yield Sql("SELECT names FROM external_keys WHERE id = $1", (key_id,))
    return _names.decode(rows[0][0]) if rows else ()


def insert(key: ExternalKey) -> Steps[None]:
    """Add a key."""
    yield Sql(
        f"INSERT INTO external_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        (
            key.id,
            key.provisioner,
            key.label,
            key.secret,
            msgspec.json.encode(key.names).decode(),
            key.uses,
            key.used,
            key.created_at,
            key.created_by,
            key.expires_at,
            key.revoked_at,
        ),
    )


def use(key_id: str, *, now: int) -> Steps[bool]:
    """Count an account that is made with a key; False when it is revoked, has expired or is used up by now."""
    rows = yield Sql(
        "UPDATE external_keys SET used = used + 1 WHERE id = $1 AND revoked_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > $2) AND (uses = 0 OR used < uses) RETURNING id",
        (key_id, now),
    )
    return bool(rows)


def revoke(key_id: str, *, now: int) -> Steps[bool]:
    """End a key and forget its secret; tell whether it was not revoked before."""
    rows = yield Sql(
        "UPDATE external_keys SET revoked_at = $2, secret = '' WHERE id = $1 AND revoked_at IS NULL RETURNING id",
        (key_id, now),
    )
    return bool(rows)


def _key(row: Row) -> ExternalKey:
    values = list(row)
    values[4] = _names.decode(row[4])
    return ExternalKey(*values)
