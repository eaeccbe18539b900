"""The accounts of an acme-dns database, of either version, each checked before anything of it is believed.

The statements are those of SQLite and of PostgreSQL alike. No value is read beyond what a good one can have.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Collection
from ipaddress import ip_network
from typing import NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import shown
from zonemint.importers.findings import Refused
from zonemint.store.database import Row, Sql, Steps

__all__ = ["Account", "Found", "Value", "found"]

_LONGEST = 8192  # characters of a value that are read: `AllowFrom` is the longest, with 100 networks
_NETWORKS = 100
_DEAREST = 10  # the cost that acme-dns writes; what a check may take is built on it
_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TXT = re.compile(r"[A-Za-z0-9_-]{43}")
_LATEST = 1 << 40  # seconds since 1970: what is later is no time


class Value(NamedTuple):
    """A TXT value and when it was set, in seconds since 1970 UTC."""

    text: str
    updated: int


class Account(NamedTuple):
    """An account as we would write it: user name and label in lower case, networks masked, `values` oldest first."""

    username: str
    key_hash: str
    subdomain: str
    allow_from: tuple[str, ...]
    values: tuple[Value, ...]


class Found(NamedTuple):
    """What a database holds; `version` is that of its schema, 0 or 1."""

    version: int
    accounts: tuple[Account, ...]
    refused: tuple[Refused, ...]


def found(tables: Collection[str]) -> Steps[Found]:
    """Read a database with these tables, in one transaction; raises ForeignDataError when it is none of acme-dns."""
    if "records" not in tables:
        raise ForeignDataError("this is no database of acme-dns: it has no table `records`")
    version = yield from _version(tables)
    last = f"{_bounded('Value')}, LastActive" if version == 0 else "NULL, NULL"
    columns = ", ".join(_bounded(name) for name in ("Username", "Password", "Subdomain", "AllowFrom"))
    rows = yield Sql(f"SELECT {columns}, {last} FROM records ORDER BY Username")  # noqa: S608 - all constants
    refused: list[Refused] = []
    values = (yield from _values(refused)) if version else {}
    accounts = []
    for row in rows:
        try:
            accounts.append(_account(row, values))
        except ValueError as error:
            refused.append(Refused(f"account {_named(row[0])}", str(error)))
    return Found(version, tuple(accounts), tuple(refused))


def _bounded(column: str) -> str:
    return f"substr({column}, 1, {_LONGEST + 1})"


def _version(tables: Collection[str]) -> Steps[int]:
    if "acmedns" not in tables:
        return 0
    rows = yield Sql(f"SELECT {_bounded('Value')} FROM acmedns WHERE Name = 'db_version'")  # noqa: S608
    try:
        version = int(_text(rows[0][0], "db_version")) if rows else 0
    except ValueError:
        version = -1
    if version not in (0, 1) or (version == 1 and "txt" not in tables):
        raise ForeignDataError("this is no database of acme-dns as we know it: db_version 0 and 1 are read")
    return version


def _values(refused: list[Refused]) -> Steps[dict[str, list[Value]]]:
    """Read the values of version 1; rows without a value are room that acme-dns keeps for one."""
    columns = f"{_bounded('Subdomain')}, {_bounded('Value')}, LastUpdate"
    rows = yield Sql(f"SELECT {columns} FROM txt WHERE Value IS NOT NULL AND Value <> ''")  # noqa: S608
    values: dict[str, list[Value]] = {}
    for subdomain, value, updated in rows:
        try:
            values.setdefault(_label(subdomain), []).append(_value(value, updated))
        except ValueError as error:
            refused.append(Refused(f"value of {_named(subdomain)}", str(error)))
    return values


def _account(row: Row, values: dict[str, list[Value]]) -> Account:
    """Check a row of `records`; raises ValueError that says what is wrong with it."""
    username, password, subdomain, allow_from, value, updated = row
    label = _label(subdomain)
    if value not in (None, "", b""):
        values = {label: [_value(value, updated)]}
    # Of two with the same text the newer one counts; in one second, the one that was read last.
    newest = {one.text: one for one in sorted(values.get(label, ()), key=lambda one: one.updated)}
    ordered = sorted(newest.values(), key=lambda one: one.updated)
    return Account(_uuid(username), _key_hash(password), label, _allow_from(allow_from), tuple(ordered))


def _uuid(value: object) -> str:
    text = _text(value, "Username")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("Username is no UUID, and no client could send it") from None


def _key_hash(value: object) -> str:
    match = _HASH.fullmatch(_text(value, "Password"))
    if match is None:
        raise ValueError("Password is no bcrypt hash")
    if not 4 <= int(match[1]) <= _DEAREST:
        raise ValueError(f"Password has the bcrypt cost {int(match[1])}, and acme-dns writes {_DEAREST}")
    return match[0]


def _label(value: object) -> str:
    text = _text(value, "Subdomain").lower()
    if not _LABEL.fullmatch(text):
        raise ValueError("Subdomain is no label of a domain name")
    return text


def _allow_from(value: object) -> tuple[str, ...]:
    """Read the JSON of the networks; what cannot be read must not let everybody in."""
    text = "null" if value is None else _text(value, "AllowFrom") or "null"
    try:
        networks = json.loads(text)
        if networks is None:
            return ()
        if not isinstance(networks, list) or not all(isinstance(one, str) for one in networks):
            raise ValueError(text)
        plain = [one.strip().replace("[", "").replace("]", "") for one in networks]
        # Old versions kept an empty text for nothing.
        checked = tuple(str(ip_network(one, strict=False)) for one in plain if one)
    except (ValueError, RecursionError):
        raise ValueError("AllowFrom is no JSON list of networks") from None
    if len(checked) > _NETWORKS:
        raise ValueError(f"AllowFrom has more than {_NETWORKS} networks")
    return checked


def _value(value: object, updated: object) -> Value:
    text = _text(value, "Value")
    if not _TXT.fullmatch(text):
        raise ValueError("Value has not the 43 characters of a digest")
    if not isinstance(updated, int) or not 0 <= updated < _LATEST:
        raise ValueError("LastUpdate is no time")
    return Value(text, updated)


def _text(value: object, column: str) -> str:
    """Read a text, which SQLite may hold as octets."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{column} is not UTF-8") from None
    if not isinstance(value, str):
        raise ValueError(f"{column} is no text")
    if len(value) > _LONGEST:
        raise ValueError(f"{column} has more than {_LONGEST} characters")
    return value


def _named(value: object) -> str:
    """Write a foreign name so that it can be shown."""
    return shown(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value), 40)
