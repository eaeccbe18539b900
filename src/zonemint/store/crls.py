"""The current certificate revocation list and its number, which only grows (RFC 5280 section 5.2.3)."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Lock, Sql, Steps

__all__ = ["Crl", "current", "lock", "next_number", "number", "raise_number", "replace"]


class Crl(NamedTuple):
    """A list in DER with its number; `next_update` in seconds since 1970.

    `revoked` is how many certificates were revoked, of those that had not ended when it was made: while that holds, it
    lacks none.
    """

    number: int
    der: bytes
    next_update: int
    revoked: int


def lock() -> Lock:
    """Return the lock under which a list is made, by one node at a time."""
    return Lock("crl")


def current() -> Steps[Crl | None]:
    """Return the newest list, if one was made."""
    rows = yield Sql("SELECT number, der, next_update, revoked FROM crls")
    return Crl(*rows[0]) if rows else None


def number() -> Steps[int]:
    """Return the number of the newest list, 0 where none was made."""
    rows = yield Sql("SELECT coalesce(max(number), 0) FROM crls")
    found: int = rows[0][0]
    return found


def next_number() -> Steps[int]:
    """Return the number of the next list."""
    return 1 + (yield from number())


def replace(crl: Crl) -> Steps[None]:
    """Keep this list instead of the one before."""
    yield Sql("DELETE FROM crls")
    yield Sql("INSERT INTO crls (number, der, next_update, revoked) VALUES ($1, $2, $3, $4)", tuple(crl))


def raise_number(above: int) -> Steps[None]:
    """Have the next node with a key make a list, and give it a number greater than this one."""
    found = yield from current()
    stale = Crl(above, b"", 0, -1) if found is None else found._replace(number=max(above, found.number), revoked=-1)
    yield from replace(stale)
