"""Secrets shared with those who update and transfer zones (RFC 8945)."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = ["TsigKey", "by_name", "insert", "listing", "revoke"]


class TsigKey(msgspec.Struct, frozen=True):
    """A row: `name` is a domain name, lower case, without final dot; times in seconds.

    `secret` is in base64, empty once the key is revoked. `names` are patterns of the names whose records the holder may
    change; `types` and `zones` limit that, where there are any; `transfers` is whether it may have whole zones.
    """

    name: str
    algorithm: str
    secret: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    zones: tuple[str, ...]
    transfers: bool
    created_at: int
    created_by: str
    revoked_at: int | None = None

    def __repr__(self) -> str:
        return f"TsigKey({self.name}, {self.algorithm})"


_COLUMNS = "name, algorithm, secret, names, types, zones, transfers, created_at, created_by, revoked_at"
_texts = msgspec.json.Decoder(tuple[str, ...])


def by_name(name: str) -> Steps[TsigKey | None]:
    """Find a key, revoked or not."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM tsig_keys WHERE name = $1", (name,))
    return _key(rows[0]) if rows else None


def listing() -> Steps[list[TsigKey]]:
    """Return every key, by name."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM tsig_keys ORDER BY name")
    return [_key(row) for row in rows]


def insert(key: TsigKey) -> Steps[bool]:
    """Add a key, in place of a revoked one of its name; False, with nothing done, when there is one that holds."""
    texts = [msgspec.json.encode(one).decode() for one in (key.names, key.types, key.zones)]
    rows = yield Sql(
        f"INSERT INTO tsig_keys ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL) "
        "ON CONFLICT (name) DO UPDATE SET algorithm = $2, secret = $3, names = $4, types = $5, zones = $6, "
        "transfers = $7, created_at = $8, created_by = $9, revoked_at = NULL "
        "WHERE tsig_keys.revoked_at IS NOT NULL RETURNING name",
        (key.name, key.algorithm, key.secret, *texts, int(key.transfers), key.created_at, key.created_by),
    )
    return bool(rows)


def revoke(name: str, *, now: int) -> Steps[bool]:
    """End a key and forget its secret; tell whether it held until now."""
    rows = yield Sql(
        "UPDATE tsig_keys SET revoked_at = $2, secret = '' WHERE name = $1 AND revoked_at IS NULL RETURNING name",
        (name, now),
    )
    return bool(rows)


def _key(row: Row) -> TsigKey:
    values = list(row)
    values[3:6] = [_texts.decode(one) for one in row[3:6]]
    values[6] = bool(row[6])
    return TsigKey(*values)
