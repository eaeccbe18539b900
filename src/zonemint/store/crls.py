"""The current certificate revocation list of each issuer and its number, which only grows (RFC 5280 section 5.2.3)."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Lock, Sql, Steps

__all__ = ["Crl", "adopt", "all_current", "current", "lock", "next_number", "number", "raise_number", "replace"]

_COLUMNS = "number, der, next_update, revoked, issuer"


class Crl(NamedTuple):
    """A list in DER with its number; `next_update` in seconds since 1970; `issuer` is a key identifier.

    `revoked` is how many certificates were revoked, of those that had not ended when it was made: while that holds, it
    lacks none.
    """

    number: int
    der: bytes
    next_update: int
    revoked: int
    issuer: str


def lock() -> Lock:
    """Return the lock under which a list is made, by one node at a time."""
    return Lock("crl")


def current(issuer: str) -> Steps[Crl | None]:
    """Return an issuer's newest list, if one was made."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM crls WHERE issuer = $1", (issuer,))
    return Crl(*rows[0]) if rows else None


def all_current() -> Steps[list[Crl]]:
    """Return the newest list of each issuer."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM crls ORDER BY number")
    return [Crl(*row) for row in rows]


def number(issuer: str) -> Steps[int]:
    """Return the number of an issuer's newest list, 0 where none was made."""
    rows = yield Sql("SELECT coalesce(max(number), 0) FROM crls WHERE issuer = $1", (issuer,))
    found: int = rows[0][0]
    return found


def next_number() -> Steps[int]:
    """Return the number of the next list, whichever issuer's."""
    rows = yield Sql("SELECT 1 + coalesce(max(number), 0) FROM crls")
    found: int = rows[0][0]
    return found


def replace(crl: Crl) -> Steps[None]:
    """Keep this list instead of its issuer's one before."""
    yield Sql("DELETE FROM crls WHERE issuer = $1", (crl.issuer,))
    yield Sql(f"INSERT INTO crls ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5)", tuple(crl))


def adopt(issuer: str) -> Steps[bool]:
    """Give the list that names no issuer to this one; tell whether there was such a list."""
    return bool((yield Sql("UPDATE crls SET issuer = $1 WHERE issuer = '' RETURNING number", (issuer,))))


def raise_number(above: int) -> Steps[None]:
    """Have the next node with a key make lists, and give them numbers greater than this one."""
    found = yield from all_current()
    above = max([above, *(one.number for one in found)])
    # The highest first, so that no list gets a number that another one still has.
    for offset, one in reversed(list(enumerate(found or [Crl(0, b"", 0, -1, "")]))):
        yield from replace(one._replace(number=above + offset, revoked=-1))
