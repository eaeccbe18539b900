"""Lists of certificates: filtered, in pages that begin where the last one ended, and counted by their end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from zonemint.store.database import Row, Sql, Steps, require

__all__ = ["Listed", "Place", "Wanted", "count_ending", "ending", "matches", "page"]


class Place(NamedTuple):
    """Where a certificate stands in a list by end."""

    not_after: int
    serial: str


class Wanted(msgspec.Struct, frozen=True):
    """Which certificates: each that is set must hold; times in seconds since 1970.

    `name` is a pattern with `*` and `?` for one of its names, in lower case; `serial` and `key` are the beginnings of
    the serial and of the SHA-256 of the key, `issuer` is a key identifier, in lower hex.
    """

    name: str = ""
    issuer: str = ""
    status: str = ""
    account: str = ""
    profile: str = ""
    serial: str = ""
    key: str = ""
    issued_since: int | None = None
    ends_after: int | None = None
    ends_before: int | None = None


class Listed(msgspec.Struct, frozen=True):
    """A signed certificate in a list; `profile` is that of its order, `issuer` the key identifier of its issuer."""

    serial: str
    status: str
    names: tuple[str, ...]
    key_hash: str
    not_before: int
    not_after: int
    created_at: int
    revoked_at: int | None
    revocation_reason: int | None
    order_id: str | None
    account_id: str | None
    replaced_by: str | None
    issuer: str
    profile: str | None

    @property
    def place(self) -> Place:
        """Where it stands in a list by end."""
        return Place(self.not_after, self.serial)


_COLUMNS = (
    "c.serial, c.status, c.names, c.key_hash, c.not_before, c.not_after, c.created_at, c.revoked_at, "
    "c.revocation_reason, c.order_id, c.account_id, c.replaced_by, c.issuer, o.profile"
)
_names = msgspec.json.Decoder(tuple[str, ...])


def page(wanted: Wanted, *, after: Place | None, by_end: bool, limit: int) -> Steps[list[Listed]]:
    """Return signed certificates after a place: by end, the next to end first; else by falling serial, newest first.

    Both orders have an index, so a page costs what it reads. What a name's pattern means is for `matches` to say: the
    database may return some that do not match.
    """
    conditions = ["c.der IS NOT NULL"]
    args: list[object] = [limit]

    def add(condition: str, *values: object) -> None:
        places = [f"${len(args) + number}" for number in range(1, len(values) + 1)]
        conditions.append(condition.format(*places))
        args.extend(values)

    if after is not None:
        add("(c.not_after, c.serial) > ({}, {})", *after) if by_end else add("c.serial < {}", after.serial)
    for column in ("status", "issuer", "account_id"):
        if value := getattr(wanted, column.removesuffix("_id")):
            add(f"c.{column} = {{}}", value)
    if wanted.profile:
        add("o.profile = {}", wanted.profile)
    for column, beginning in (("serial", wanted.serial), ("key_hash", wanted.key)):
        if beginning:
            # `g` sorts after all hexadecimal digits.
            add(f"c.{column} >= {{}} AND c.{column} < {{}}", beginning, f"{beginning}g")
    if wanted.issued_since is not None:
        add("c.created_at >= {}", wanted.issued_since)
    if wanted.ends_after is not None:
        add("c.not_after >= {}", wanted.ends_after)
    if wanted.ends_before is not None:
        add("c.not_after <= {}", wanted.ends_before)
    if wanted.name:
        add("c.names LIKE {} ESCAPE '\\'", _like(wanted.name))
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM certificates c LEFT JOIN orders o ON o.id = c.order_id "
        f"WHERE {' AND '.join(conditions)} "
        f"ORDER BY {'c.not_after, c.serial' if by_end else 'c.serial DESC'} LIMIT $1",
        tuple(args),
    )
    return [_listed(row) for row in rows]


def matches(pattern: str, names: Sequence[str]) -> bool:
    """Tell whether one of the names matches a pattern, in which `*` is any text and `?` any character."""
    parts = [".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern]
    return any(re.fullmatch("".join(parts), name) for name in names)


def ending(*, after: Place, limit: int) -> Steps[list[tuple[Place, str]]]:
    """Return the valid certificates that end later than a place, in that order, each with its names as stored."""
    rows = yield Sql(
        "SELECT not_after, serial, names, status FROM certificates WHERE (not_after, serial) > ($1, $2) "
        "ORDER BY not_after, serial LIMIT $3",
        (*after, limit),
    )
    return [(Place(*row[:2]), row[2] if row[3] == "valid" else "") for row in rows]


def count_ending(*, after: int, until: int | None) -> Steps[int]:
    """Count the certificates that end in a span, revoked ones aside; it reads two indexes and no certificate."""
    span, args = (
        ("not_after > $1", (after,)) if until is None else ("not_after > $1 AND not_after <= $2", (after, until))
    )
    rows = yield Sql(
        f"SELECT (SELECT count(*) FROM certificates WHERE {span}) - "
        f"(SELECT count(*) FROM certificates WHERE status = 'revoked' AND {span})",
        args,
    )
    number: int = require(rows)[0]
    return number


def _listed(row: Row) -> Listed:
    values = list(row)
    values[2] = _names.decode(row[2])
    return Listed(*values)


def _like(pattern: str) -> str:
    """Return what LIKE takes for a pattern of names, which JSON quotes; `_` is a letter of names."""
    letters = {"*": "%", "?": "_", "%": "\\%", "_": "\\_", "\\": "\\\\"}
    return '%"' + "".join(letters.get(one, one) for one in pattern) + '"%'
