"""Fill a store with certificates of the past: `python -m bench.fill DIR/zonemint.db --certificates 1000000`.

Every row is like a real one: those that the server wrote for the last certificate that it issued are repeated under
other ids, serials and names, oldest first, so that they have the size and the place that years would have given them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

__all__ = ["fill"]

_APART = 8  # seconds between two certificates: a million in three months
_STRETCH = 50_000  # certificates in one transaction

# Ids and serials that sort before those of now, as all of the past do; the host's name is as long as the pattern's.
_MADE = """
WITH RECURSIVE series (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n + 1 < :end)
SELECT n, printf('00%08d%016d', n, 0) AS order_id, printf('00%08d%016d', n, 1) AS authorization_id,
  '4000' || printf('%08x', n) || lower(hex(randomblob(10))) AS serial,
  'p' || substr(printf('%0100d', n), 1 - length(:host)) AS host, :now - (:total - n) * :apart AS at
FROM series
"""

# What is not as in the pattern, by table and column.
_ORDER = {
    "id": "order_id",
    "identifiers": "replace(old.identifiers, :host, host)",
    "authorizations": "json_array(authorization_id)",
    "created_at": "at",
    "expires_at": "at + old.expires_at - old.created_at",
    "serial": "made.serial",
}
_AUTHORIZATION = {
    "id": "authorization_id",
    "order_id": "made.order_id",
    "identifier_value": "replace(old.identifier_value, :host, host)",
    "created_at": "at",
    "expires_at": "at + old.expires_at - old.created_at",
}
_CERTIFICATE = {
    "serial": "made.serial",
    "order_id": "made.order_id",
    "names": "replace(old.names, :host, host)",
    "key_hash": "lower(hex(randomblob(32)))",
    "not_before": "at + old.not_before - old.created_at",
    "not_after": "at + old.not_after - old.created_at",
    "created_at": "at",
    "der": "likened(old.der, :serial, made.serial, :host, host)",
}
_TRACE = {
    "order_id": "made.order_id",
    "id": "substr(made.order_id, 1, 20) || substr(old.id, 21)",
    "events": "replace(replace(old.events, :host, host), :serial, made.serial)",
}

_TABLES = (
    ("orders", "id", _ORDER),
    ("authorizations", "order_id", _AUTHORIZATION),
    ("certificates", "order_id", _CERTIFICATE),
    ("traces", "order_id", _TRACE),
)


def fill(path: Path, certificates: int) -> None:
    """Add so many certificates with their orders, authorizations and stories; nobody else may use the store meanwhile.

    Raises ValueError when the store has no certificate of one name that was issued by an order.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db, _in_haste(db):
        pattern, host, serial = _pattern(db)
        db.create_function("likened", 5, _likened, deterministic=True)
        fixed = {"host": host, "serial": serial, "now": int(time.time()), "total": certificates, "apart": _APART}
        inserts = [_insert(db, *one, pattern) for one in _TABLES]
        for first in range(0, certificates, _STRETCH):
            db.execute("BEGIN")
            end = min(first + _STRETCH, certificates)
            db.execute(f"CREATE TEMP TABLE made AS {_MADE}", {**fixed, "first": first, "end": end})
            for insert in inserts:
                db.execute(insert, fixed)
            db.execute("DROP TABLE made")
            db.execute("COMMIT")


def _pattern(db: sqlite3.Connection) -> tuple[str, str, str]:
    """Return the id of the order that is repeated, the first label of its name, and its serial."""
    found = db.execute(
        "SELECT o.id, o.identifiers, o.serial FROM orders o JOIN certificates c ON c.order_id = o.id "
        "WHERE json_array_length(o.identifiers) = 1 ORDER BY o.id DESC LIMIT 1"
    ).fetchone()
    if found is None:
        raise ValueError("the store has no certificate whose rows could be repeated")
    order_id, identifiers, serial = found
    return order_id, json.loads(identifiers)[0]["value"].partition(".")[0], serial


def _insert(db: sqlite3.Connection, table: str, key: str, other: Mapping[str, str], pattern: str) -> str:
    """Take a pattern's rows of a table aside, and write the statement that repeats them.

    Columns that are not told of stay as they are, those of later schemas too.
    """
    db.execute(f"CREATE TEMP TABLE old_{table} AS SELECT * FROM {table} WHERE {key} = ?", (pattern,))
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(other.get(column, f"old.{column}") for column in columns)
    # A cross join keeps the series outermost, so that all tables grow at their end.
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM made CROSS JOIN old_{table} AS old"


def _likened(der: bytes, serial: str, to_serial: str, host: str, to_host: str) -> bytes:
    return der.replace(bytes.fromhex(serial), bytes.fromhex(to_serial)).replace(host.encode(), to_host.encode())


@contextmanager
def _in_haste(db: sqlite3.Connection) -> Iterator[None]:
    """Write with no care for a crash; whoever fills a store can begin again."""
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {setting}")
    yield
    db.execute("PRAGMA journal_mode = WAL")


def main() -> None:
    """Fill a store and tell how long it took."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", type=Path, help="the store of a folder in which at least one certificate was issued")
    arguments.add_argument("--certificates", type=int, default=1_000_000)
    options = arguments.parse_args()
    began, before = time.perf_counter(), options.file.stat().st_size
    fill(options.file, options.certificates)
    octets = (options.file.stat().st_size - before) / options.certificates
    print(f"{options.certificates} certificates in {time.perf_counter() - began:.0f} s, {octets:.0f} octets each")


if __name__ == "__main__":
    main()
