"""The current certificate revocation lists and their number, which only grows (RFC 5280 section 5.2.3)."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Lock, Sql, Steps

__all__ = [
    "Crl",
    "Head",
    "Scope",
    "adopt",
    "all_current",
    "current",
    "heads",
    "lock",
    "next_number",
    "raise_number",
    "remove",
    "replace",
]

_COLUMNS = "number, der, next_update, revoked, issuer, begins, ends"


class Scope(NamedTuple):
    """What a list is for: an issuer, by its key identifier, and the window of time in which certificates end.

    It is from `begins` until before `ends`, in seconds since 1970; both are 0 where there is one list for all.
    """

    issuer: str
    begins: int = 0
    ends: int = 0


class Head(NamedTuple):
    """What is known of a list without its content; `next_update` in seconds since 1970.

    `revoked` is the sum of `revocations` for its scope when it was made: while that holds, it lacks none.
    """

    number: int
    next_update: int
    revoked: int


class Crl(NamedTuple):
    """A list in DER; the other fields are those of Head and Scope."""

    number: int
    der: bytes
    next_update: int
    revoked: int
    issuer: str
    begins: int = 0
    ends: int = 0

    @property
    def head(self) -> Head:
        """Return what is known of it."""
        return Head(self.number, self.next_update, self.revoked)


def lock() -> Lock:
    """Return the lock under which a list is made, by one node at a time."""
    return Lock("crl")


def heads() -> Steps[dict[Scope, Head]]:
    """Return what is known of the newest list of each scope."""
    rows = yield Sql("SELECT issuer, begins, ends, number, next_update, revoked FROM crls")
    return {Scope(*row[:3]): Head(*row[3:]) for row in rows}


def current(scope: Scope) -> Steps[Crl | None]:
    """Return the newest list of a scope, if one was made."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM crls WHERE issuer = $1 AND begins = $2 AND ends = $3", tuple(scope))
    return Crl(*rows[0]) if rows else None


def all_current() -> Steps[list[Crl]]:
    """Return the newest list of each scope."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM crls ORDER BY number")
    return [Crl(*row) for row in rows]


def next_number() -> Steps[int]:
    """Return the number of the next list, whatever it is for."""
    rows = yield Sql("SELECT 1 + coalesce(max(number), 0) FROM crls")
    found: int = rows[0][0]
    return found


def replace(crl: Crl) -> Steps[None]:
    """Keep this list instead of the one before for the same."""
    yield from remove(Scope(crl.issuer, crl.begins, crl.ends))
    yield Sql(f"INSERT INTO crls ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)", tuple(crl))


def remove(scope: Scope) -> Steps[None]:
    """Keep no list for a scope any more."""
    yield Sql("DELETE FROM crls WHERE issuer = $1 AND begins = $2 AND ends = $3", tuple(scope))


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
