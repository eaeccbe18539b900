"""A store with rows in every table, with every kind of value."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from zonemint.store import audit, sqlite_schema
from zonemint.store.database import Lock, Steps

__all__ = ["COUNTS", "fill", "make"]

_MANY = 700  # more than are copied at once

COUNTS = {
    "external_keys": 2,
    "accounts": 2,
    "orders": 2,
    "authorizations": 2,
    "validations": 1,
    "certificates": 3,
    "blocked_keys": _MANY,
    "traces": 1,
    "txt_accounts": 1,
    "txt_values": 2,
    "tokens": 1,
    "txt_storage": 1,
    "records": 1,
    "zone_serials": 1,
    "zone_changes": 2,
    "authority_certificates": 1,
    "crls": 1,
    "revocations": 1,
    "signings": 1,
    "authorities": 1,
    "proofs": 1,
    "hook_cursors": 1,
    "token_issuers": 1,
    "used_tokens": 1,
    "shared_secrets": 1,
    "tsig_keys": 2,
    "dnssec_keys": 2,
    "audit": 2,
}


def drive(db: sqlite3.Connection, steps: Steps[None]) -> None:
    """Run a transaction's statements."""
    with suppress(StopIteration):
        step = next(steps)
        while True:
            rows = [] if isinstance(step, Lock) else db.execute(step.text.replace("$", "?"), step.args).fetchall()
            step = steps.send(rows)


def make(path: Path) -> Path:
    """Make a file with the newest schema and nothing in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        sqlite_schema.migrate(db)
    path.chmod(0o600)
    return path


def fill(path: Path) -> Path:
    """Make a file with the newest schema and rows that refer to each other."""
    make(path)
    with closing(sqlite3.connect(path)) as db, db:
        put = db.execute
        key = "INSERT INTO external_keys VALUES (?, 'acme', ?, ?, ?, 1, 1, 5, 'test', NULL, ?)"
        put(key, ("k1", "für uns", "c2VjcmV0", "[]", None))
        put(key, ("k2", "", "", '["x.lab.test"]', 7))
        for one in ("a1", "a2"):
            values = (one, "acme", f"thumb-{one}", "{}", "valid", '["mailto:ü@lab.test"]', None, 5, "::1")
            columns = "id, provisioner, thumbprint, jwk, status, contacts, terms_agreed_at, created_at, created_from"
            put(f"INSERT INTO accounts ({columns}, external_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'k1')", values)
        order = "INSERT INTO orders VALUES (?, 'a1', 'acme', ?, '[]', '[]', 'default', NULL, 9, 1, 2, ?, 'me', ?, NULL)"
        put(order, ("o1", "pending", "01", None))
        put(order, ("o2", "invalid", "02", '{"detail": "\N{SNOWMAN}"}'))
        authorization = "(?, 'o1', 'a1', 'dns', 'x.lab.test', ?, 'pending', '[]', 1, 2, ?)"
        for row in (("z1", 1, 0), ("z2", 0, 1)):
            put(f"INSERT INTO authorizations VALUES {authorization}", row)
        put("INSERT INTO validations VALUES ('z1', 'dns-01', 3, '', 0)")
        places = "?, ?, ?, ?, '[\"x.lab.test\"]', 'hash', 1, 2, 1, ?, ?, ?, NULL, 'ab', NULL"
        certificate = f"INSERT INTO certificates VALUES ({places})"
        put(certificate, ("0a", "o2", "a1", "revoked", b"\x00\xff der", 4, 1))
        put(certificate, ("0b", None, None, "valid", b"", None, None))
        put(certificate, ("0c", None, None, "reserved", None, None, None))
        keys = [(f"{number:064x}", number, "compromised") for number in range(_MANY)]
        db.executemany("INSERT INTO blocked_keys VALUES (?, ?, ?)", keys)
        put("INSERT INTO traces VALUES ('o1', 't1', '[]')")
        put("INSERT INTO txt_accounts VALUES ('u', 'hash', 'auth.lab.test', 'sub', '[]', 1234567890123, '', '[]', 7)")
        put("INSERT INTO tokens VALUES ('t1', 'hash', '[\"storage\"]', '[\"*\"]', 1, 'me', 2)")
        put("INSERT INTO txt_storage VALUES ('t1', 'www.lab.test', 'sub', ?)", (b"\x00sealed",))
        for number in (1, 2):
            put(
                "INSERT INTO txt_values VALUES ('sub', ?, ?, 1, '', NULL)",
                (f"value-{number}", number),
            )
        put("INSERT INTO records VALUES ('lab.test', 'www.lab.test', 'A', '192.0.2.1', 300, 1, 'me')")
        put("INSERT INTO zone_serials VALUES ('lab.test', 4294967290, 'content')")
        for added in (0, 1):
            put(
                "INSERT INTO zone_changes VALUES ('lab.test', 5, ?, 'www.lab.test', 'TXT', '\"\u00fc\"', 300)", (added,)
            )
        put("INSERT INTO revocations VALUES ('ab', 20000, 3)")
        put("INSERT INTO crls (number, der, next_update, revoked, issuer) VALUES (7, ?, 9, 1, 'ab')", (b"crl",))
        put("INSERT INTO signings VALUES ('s1', 'o1', '[]', ?, '', '', 1, '', 0, '', '')", (b"csr",))
        drive(db, audit.append(*[audit.Fact(audit.Kind.KEY_BLOCKED, "server", "hash", {"n": 1})] * 2, now=5))
        put("INSERT INTO proofs VALUES ('a1', 'dns', 'x.lab.test', ?, 'z1', 2)", (True,))
        put("INSERT INTO hook_cursors VALUES ('desk', 'audit', '7', 1, 2, 'no answer', 3, 4)")
        put("INSERT INTO token_issuers VALUES ('kid', 'admin', '{}', '', 1, 'me')")
        put("INSERT INTO used_tokens VALUES ('id', 2)")
        put("INSERT INTO shared_secrets VALUES ('dns cookies', ?)", (b"\x00secret",))
        tsig = "INSERT INTO tsig_keys VALUES (?, 'hmac-sha256', ?, '[\"*\"]', '[\"TXT\"]', '[]', 1, 5, 'test', ?)"
        put(tsig, ("host.key", "c2VjcmV0", None))
        put(tsig, ("old.key", "", 7))
        dnssec = "INSERT INTO dnssec_keys VALUES ('lab.test', ?, 'ed25519', ?, ?, 1, 2, ?, 3)"
        put(dnssec, (1, b"\x00key", "active", None))
        put(dnssec, (2, b"\x00key", "new", 5))
        put("INSERT INTO authorities VALUES ('root', 'PEM', 'PEM', 'lab.test', 1)")
        put("INSERT INTO authority_certificates VALUES ('ab', 'issuer', 'PEM', 1)")
    return path
