"""Accounts of the acme-dns API that their clients keep with us, each under a token and for a domain."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["Stored", "get", "listing", "put"]


class Stored(NamedTuple):
    """A row: the account of `subdomain` is for `domain`, its password `sealed` by the token's secret."""

    domain: str
    subdomain: str
    sealed: bytes


def get(token_id: str, domain: str) -> Steps[Stored | None]:
    """Return what is kept under a token for a domain."""
    rows = yield Sql(
        "SELECT domain, subdomain, sealed FROM txt_storage WHERE token_id = $1 AND domain = $2", (token_id, domain)
    )
    return Stored(*rows[0]) if rows else None


def listing(token_id: str) -> Steps[list[Stored]]:
    """Return all that is kept under a token."""
    rows = yield Sql(
        "SELECT domain, subdomain, sealed FROM txt_storage WHERE token_id = $1 ORDER BY domain", (token_id,)
    )
    return [Stored(*row) for row in rows]


def put(token_id: str, stored: Stored) -> Steps[None]:
    """Keep an account, in place of the one before."""
    yield Sql(
        "INSERT INTO txt_storage (token_id, domain, subdomain, sealed) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (token_id, domain) DO UPDATE SET subdomain = excluded.subdomain, sealed = excluded.sealed",
        (token_id, *stored),
    )
