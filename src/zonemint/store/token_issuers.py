"""Who may make one-time tokens for certificates, and which tokens were used."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Sql, Steps

__all__ = ["TokenIssuer", "by_kid", "insert", "listing", "spend"]


class TokenIssuer(msgspec.Struct, frozen=True):
    """A row: `jwk` is the public key in its canonical JSON, `kid` its thumbprint; several keys may have one name."""

    kid: str
    name: str
    jwk: str
    encrypted_key: str
    created_at: int
    created_by: str


_COLUMNS = "kid, name, jwk, encrypted_key, created_at, created_by"


def by_kid(kid: str) -> Steps[TokenIssuer | None]:
    """Find an issuer by its key's thumbprint (RFC 7638)."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM token_issuers WHERE kid = $1", (kid,))
    return TokenIssuer(*rows[0]) if rows else None


def listing() -> Steps[list[TokenIssuer]]:
    """Return every issuer, by name and age."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM token_issuers ORDER BY name, created_at, kid")
    return [TokenIssuer(*row) for row in rows]


def insert(issuer: TokenIssuer) -> Steps[bool]:
    """Add an issuer unless its key is there; tell whether it was added."""
    rows = yield Sql(
        f"INSERT INTO token_issuers ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (kid) DO NOTHING RETURNING kid",
        (issuer.kid, issuer.name, issuer.jwk, issuer.encrypted_key, issuer.created_at, issuer.created_by),
    )
    return bool(rows)


def spend(token_id: str, *, expires_at: int) -> Steps[bool]:
    """Note that a token was used, until its end in seconds; tell whether this was the first time."""
    rows = yield Sql(
        "INSERT INTO used_tokens (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id",
        (token_id, expires_at),
    )
    return bool(rows)
