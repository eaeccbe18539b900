"""Accounts of the TXT API that come from elsewhere, many in a statement; what is here already stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from zonemint.store.database import Row, Sql, Steps
from zonemint.store.txt import TxtAccount, TxtValue

__all__ = ["Brought", "bring", "move", "take_key"]

_ROWS = 100  # in a statement: an engine keeps each text, so there is one, and the last rows are repeated to fill it


class Brought(NamedTuple):
    """User names: of accounts that are new now, that were here, and whose user name or label another one has."""

    new: frozenset[str]
    here: frozenset[str]
    taken: frozenset[str]


def _rows_of(width: int) -> str:
    return ", ".join([f"({', '.join([f'${row * width + n + 1}' for n in range(width)])})" for row in range(_ROWS)])


_ACCOUNTS = (
    "INSERT INTO txt_accounts (username, key_hash, zone, subdomain, allow_from, created_ms, created_from) "
    f"VALUES {_rows_of(7)} ON CONFLICT DO NOTHING RETURNING username"
)
_VALUES = (
    "INSERT INTO txt_values (subdomain, value, sequence, updated_ms, updated_from) "
    f"VALUES {_rows_of(5)} ON CONFLICT DO NOTHING"
)
_NAMES = ", ".join([f"${n + 1}" for n in range(_ROWS)])
_KNOWN = f"SELECT username, subdomain FROM txt_accounts WHERE username IN ({_NAMES})"
_MOVE = (
    f"UPDATE txt_accounts SET zone = ${_ROWS + 1} WHERE username IN ({_NAMES}) "
    f"AND zone <> ${_ROWS + 1} AND created_from = ${_ROWS + 2} RETURNING username"
)


def bring(accounts: Sequence[TxtAccount], values: Mapping[str, Sequence[TxtValue]]) -> Steps[Brought]:
    """Add the accounts that are not here, each with its values by user name, oldest first.

    Values come only with their account: what its owner has set here since must not be pushed out by older ones.
    """
    new: set[str] = set()
    for rows in _filled([_row(one) for one in accounts]):
        new.update([username for (username,) in (yield Sql(_ACCOUNTS, rows))])
    given = [
        (one.subdomain, value.value, place, value.updated_ms, value.updated_from)
        for one in accounts
        if one.username in new
        for place, value in enumerate(values.get(one.username, ()), 1)
    ]
    for rows in _filled(given):
        yield Sql(_VALUES, rows)
    rest = {one.username: one.subdomain for one in accounts if one.username not in new}
    known: set[Row] = set()
    for names in _filled([(username,) for username in rest]):
        known.update((yield Sql(_KNOWN, names)))
    here = {username for username, subdomain in known if rest[username] == subdomain}
    return Brought(frozenset(new), frozenset(here), frozenset(rest.keys() - here))


def move(usernames: Sequence[str], zone: str, *, created_from: str) -> Steps[int]:
    """Give accounts that came from somewhere another zone; return how many had another one."""
    moved = 0
    for names in _filled([(username,) for username in usernames]):
        moved += len((yield Sql(_MOVE, (*names, zone, created_from))))
    return moved


def take_key(username: str, *, was: str, key_hash: str) -> Steps[None]:
    """Keep our hash of an account's key from now on, if `was` is still the one that is kept."""
    yield Sql("UPDATE txt_accounts SET key_hash = $3 WHERE username = $1 AND key_hash = $2", (username, was, key_hash))


def _filled(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """Cut rows into the parameters of one statement each."""
    cut = [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]
    return [tuple(value for row in (*part, *[part[-1]] * (_ROWS - len(part))) for value in row) for part in cut]


def _row(account: TxtAccount) -> Row:
    return (
        account.username,
        account.key_hash,
        account.zone,
        account.subdomain,
        msgspec.json.encode(account.allow_from).decode(),
        account.created_ms,
        account.created_from,
    )
