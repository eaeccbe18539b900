"""Databases as acme-dns makes them: its schema of both versions, and bcrypt hashes of a foreign library."""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

__all__ = ["SCHEMAS", "Client", "fill", "hashed", "rows"]

_ACMEDNS = "CREATE TABLE IF NOT EXISTS acmedns(Name TEXT, Value TEXT)"
_TXT = "CREATE TABLE IF NOT EXISTS txt(Subdomain TEXT NOT NULL, Value TEXT NOT NULL DEFAULT '', LastUpdate INT)"
_RECORDS = (
    "CREATE TABLE IF NOT EXISTS records(Username TEXT UNIQUE NOT NULL PRIMARY KEY, Password TEXT UNIQUE NOT NULL, "
    "Subdomain TEXT UNIQUE NOT NULL, {}AllowFrom TEXT)"
)
SCHEMAS = {
    0: (_ACMEDNS, _RECORDS.format("Value TEXT, LastActive INT, ")),
    1: (_ACMEDNS, _RECORDS.format(""), _TXT),
}


def hashed(password: str) -> str:
    """Hash as acme-dns does, whose library writes `2a`."""
    return "$2a$" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()[4:]


@dataclass(frozen=True)
class Client:
    """What a client of acme-dns has in its file, and its newest values with their time, oldest first."""

    username: str = field(default_factory=lambda: str(uuid.uuid4()))
    password: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    subdomain: str = field(default_factory=lambda: str(uuid.uuid4()))
    allow_from: tuple[str, ...] = ()
    values: tuple[tuple[str, int], ...] = ()


def rows(client: Client, key_hash: str, version: int, *, as_blob: bool) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements, with `?`, by which acme-dns would have come to hold a client."""
    password = key_hash.encode() if as_blob else key_hash
    networks = json.dumps(client.allow_from)
    if version == 0:
        value, at = client.values[-1] if client.values else ("", 0)
        row = (client.username, password, client.subdomain, value, at, networks)
        return [("INSERT INTO records VALUES(?, ?, ?, ?, ?, ?)", row)]
    slots = [*client.values[-2:], ("", 0), ("", 0)][:2]
    return [
        ("INSERT INTO records VALUES(?, ?, ?, ?)", (client.username, password, client.subdomain, networks)),
        *(("INSERT INTO txt VALUES(?, ?, ?)", (client.subdomain, *slot)) for slot in slots),
    ]


def fill(file: Path, clients: Sequence[Client], version: int = 1, *, key_hash: str = "") -> Path:
    """Make a SQLite file; a hash given is everybody's, for where nobody logs in."""
    with sqlite3.connect(file) as db:
        for statement in SCHEMAS[version]:
            db.execute(statement)
        db.execute("INSERT INTO acmedns VALUES('db_version', ?)", (str(version),))
        for number, client in enumerate(clients):
            # The column is UNIQUE.
            own = key_hash and f"{key_hash[:-10]}{number:010}"
            for statement, values in rows(client, own or hashed(client.password), version, as_blob=True):
                db.execute(statement, values)
    db.close()
    return file
