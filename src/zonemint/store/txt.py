"""Accounts and values of the acme-dns API."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zonemint.store.database import Lock, Row, Sql, Steps

__all__ = [
    "LABELS",
    "TxtAccount",
    "TxtValue",
    "by_subdomain",
    "by_username",
    "insert",
    "listing",
    "put",
    "remove",
    "rescope",
    "rotate",
    "touch",
    "values",
    "zone_values",
]

LABELS = 64
"""How many labels `zone_values` reads at once."""


class TxtAccount(msgspec.Struct, frozen=True):
    """A row: may set the values of `subdomain` in the auth zone `zone`; `allow_from` are CIDRs, none means all.

    `scope` are the names whose challenges may be answered by it, none means all. Times here are in milliseconds: an
    order's story puts them in their place; `used_ms`, the last update, is exact to a minute, and 0 for never.
    """

    username: str
    key_hash: str
    zone: str
    subdomain: str
    allow_from: tuple[str, ...]
    created_ms: int
    created_from: str
    scope: tuple[str, ...] = ()
    used_ms: int = 0

    @property
    def fulldomain(self) -> str:
        """The name whose TXT records the account sets."""
        return f"{self.subdomain}.{self.zone}"


class TxtValue(msgspec.Struct, frozen=True):
    """One value with the time in milliseconds and the address of its newest update."""

    value: str
    updated_ms: int
    updated_from: str


_COLUMNS = "username, key_hash, zone, subdomain, allow_from, created_ms, created_from, scope, used_ms"
_texts = msgspec.json.Decoder(tuple[str, ...])


def by_username(username: str) -> Steps[TxtAccount | None]:
    """Find an account by the user name that a client sends."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM txt_accounts WHERE username = $1", (username,))
    return _account(rows[0]) if rows else None


def by_subdomain(subdomain: str) -> Steps[TxtAccount | None]:
    """Find an account by its name in the auth zone."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM txt_accounts WHERE subdomain = $1", (subdomain,))
    return _account(rows[0]) if rows else None


def insert(account: TxtAccount) -> Steps[None]:
    """Add an account."""
    yield Sql(
        f"INSERT INTO txt_accounts ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        (
            account.username,
            account.key_hash,
            account.zone,
            account.subdomain,
            msgspec.json.encode(account.allow_from).decode(),
            account.created_ms,
            account.created_from,
            msgspec.json.encode(account.scope).decode(),
            account.used_ms,
        ),
    )


def listing(*, after: str = "", limit: int) -> Steps[list[TxtAccount]]:
    """Return accounts in the order of their user names, those after one."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM txt_accounts WHERE username > $1 ORDER BY username LIMIT $2", (after, limit)
    )
    return [_account(row) for row in rows]


def remove(subdomain: str) -> Steps[bool]:
    """Remove an account with its values and where it is kept; tell whether there was one."""
    yield Lock(f"txt {subdomain}")
    yield Sql("DELETE FROM txt_values WHERE subdomain = $1", (subdomain,))
    yield Sql("DELETE FROM txt_storage WHERE subdomain = $1", (subdomain,))
    rows = yield Sql("DELETE FROM txt_accounts WHERE subdomain = $1 RETURNING subdomain", (subdomain,))
    return bool(rows)


def rotate(username: str, *, was: str, key_hash: str) -> Steps[bool]:
    """Give an account another key if `was` is still the hash of its key; tell whether it was.

    What is kept for its client goes: the key in it is of no use.
    """
    rows = yield Sql(
        "UPDATE txt_accounts SET key_hash = $3 WHERE username = $1 AND key_hash = $2 RETURNING subdomain",
        (username, was, key_hash),
    )
    for (subdomain,) in rows:
        yield Sql("DELETE FROM txt_storage WHERE subdomain = $1", (subdomain,))
    return bool(rows)


def rescope(username: str, scope: tuple[str, ...]) -> Steps[bool]:
    """Say which names an account may answer for; tell whether there is one."""
    rows = yield Sql(
        "UPDATE txt_accounts SET scope = $2 WHERE username = $1 RETURNING username",
        (username, msgspec.json.encode(scope).decode()),
    )
    return bool(rows)


def touch(username: str, *, now_ms: int) -> Steps[None]:
    """Note when an account was used."""
    yield Sql("UPDATE txt_accounts SET used_ms = $2 WHERE username = $1", (username, now_ms))


def put(
    subdomain: str, value: str, *, now_ms: int, source: str, keep: int, expires_ms: int | None = None
) -> Steps[None]:
    """Make a value the newest of its account, once, and keep the newest `keep`."""
    yield Lock(f"txt {subdomain}")
    yield Sql(
        "INSERT INTO txt_values (subdomain, value, sequence, updated_ms, updated_from, expires_ms) "
        "VALUES ($1, $2, 1 + coalesce((SELECT max(sequence) FROM txt_values WHERE subdomain = $1), 0), $3, $4, $5) "
        "ON CONFLICT (subdomain, value) DO UPDATE SET sequence = excluded.sequence, "
        "updated_ms = excluded.updated_ms, updated_from = excluded.updated_from, expires_ms = excluded.expires_ms",
        (subdomain, value, now_ms, source, expires_ms),
    )
    yield Sql(
        "DELETE FROM txt_values WHERE subdomain = $1 AND value NOT IN "
        "(SELECT value FROM txt_values WHERE subdomain = $1 ORDER BY sequence DESC LIMIT $2)",
        (subdomain, keep),
    )


def values(subdomain: str) -> Steps[list[TxtValue]]:
    """Return an account's values, newest first."""
    rows = yield Sql(
        "SELECT value, updated_ms, updated_from FROM txt_values WHERE subdomain = $1 ORDER BY sequence DESC",
        (subdomain,),
    )
    return [TxtValue(*row) for row in rows]


def _zone_values_of(count: int) -> str:
    labels = ", ".join([f"${4 + n}" for n in range(count)])
    return (
        "SELECT a.subdomain, value FROM txt_accounts AS a "
        "LEFT JOIN txt_values AS v ON v.subdomain = a.subdomain AND v.updated_ms > $2 "
        "AND (v.expires_ms IS NULL OR v.expires_ms > $3) "
        f"WHERE a.zone = $1 AND a.subdomain IN ({labels}) ORDER BY sequence DESC"
    )


# Few texts, for an engine prepares and keeps each of them.
_ZONE_VALUES = {count: _zone_values_of(count) for count in (1, 8, LABELS)}


def zone_values(zone: str, labels: Sequence[str], *, newer_than: int, now_ms: int) -> Steps[dict[str, list[str]]]:
    """Return the TXT values that DNS serves at names of an auth zone, newest first.

    labels: 1 to LABELS; one that no account has is left out. newer_than: milliseconds, of the update.
    """
    size = next(size for size in _ZONE_VALUES if size >= len(labels))
    padded = (*labels, *[labels[0]] * (size - len(labels)))
    rows = yield Sql(_ZONE_VALUES[size], (zone, newer_than, now_ms, *padded))
    found: dict[str, list[str]] = {}
    for label, value in rows:
        served = found.setdefault(label, [])
        if value is not None:
            served.append(value)
    return found


def _account(row: Row) -> TxtAccount:
    username, key_hash, zone, subdomain, allow_from, created_ms, created_from, scope, used_ms = row
    return TxtAccount(
        username,
        key_hash,
        zone,
        subdomain,
        _texts.decode(allow_from),
        created_ms,
        created_from,
        _texts.decode(scope),
        used_ms,
    )
