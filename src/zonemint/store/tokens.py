"""Tokens: who may use more of the HTTP interface than everybody."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = ["Right", "Token", "by_id", "insert", "listing", "remove", "touch"]

Right: TypeAlias = Literal["register", "storage", "admin"]


class Token(msgspec.Struct, frozen=True):
    """A row: `hash` is the SHA-256 of the secret, `names` what it is limited to, none is every name; times in ms."""

    id: str
    hash: str
    rights: tuple[Right, ...]
    names: tuple[str, ...]
    created_ms: int
    created_by: str
    used_ms: int = 0


_COLUMNS = "id, hash, rights, names, created_ms, created_by, used_ms"
_rights = msgspec.json.Decoder(tuple[Right, ...])
_names = msgspec.json.Decoder(tuple[str, ...])


def by_id(token_id: str) -> Steps[Token | None]:
    """Find a token by the part of it that is no secret."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM tokens WHERE id = $1", (token_id,))
    return _token(rows[0]) if rows else None


def listing() -> Steps[list[Token]]:
    """Return every token, oldest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM tokens ORDER BY id")
    return [_token(row) for row in rows]


def insert(token: Token) -> Steps[None]:
    """Add a token."""
    rights, names = (msgspec.json.encode(one).decode() for one in (token.rights, token.names))
    yield Sql(
        f"INSERT INTO tokens ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        (token.id, token.hash, rights, names, token.created_ms, token.created_by, token.used_ms),
    )


def remove(token_id: str) -> Steps[bool]:
    """Remove a token and what is kept under it, which nobody else can open; tell whether there was one."""
    yield Sql("DELETE FROM txt_storage WHERE token_id = $1", (token_id,))
    rows = yield Sql("DELETE FROM tokens WHERE id = $1 RETURNING id", (token_id,))
    return bool(rows)


def touch(token_id: str, *, now_ms: int) -> Steps[None]:
    """Note when a token was used."""
    yield Sql("UPDATE tokens SET used_ms = $2 WHERE id = $1", (token_id, now_ms))


def _token(row: Row) -> Token:
    id_, hash_, rights, names, created_ms, created_by, used_ms = row
    return Token(id_, hash_, _rights.decode(rights), _names.decode(names), created_ms, created_by, used_ms)
