"""The current certificate revocation list and its number, which only grows (RFC 5280 section 5.2.3)."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["Crl", "current", "next_number", "replace"]


class Crl(NamedTuple):
    """A list in DER with its number; `next_update` in seconds since 1970."""

    number: int
    der: bytes
    next_update: int


def current() -> Steps[Crl | None]:
    """Return the newest list, if one was made."""
    rows = yield Sql("SELECT number, der, next_update FROM crls")
    return Crl(*rows[0]) if rows else None


def next_number() -> Steps[int]:
    """Return the number of the next list."""
    rows = yield Sql("SELECT 1 + coalesce(max(number), 0) FROM crls")
    number: int = rows[0][0]
    return number


def replace(crl: Crl) -> Steps[None]:
    """Keep this list instead of the one before."""
    yield Sql("DELETE FROM crls")
    yield Sql("INSERT INTO crls (number, der, next_update) VALUES ($1, $2, $3)", tuple(crl))
