"""Brings a SQLite file's schema up to date."""

from __future__ import annotations

import sqlite3
import time

from zonemint.core.errors import StoreUnavailable
from zonemint.store import migrations

__all__ = ["migrate", "version"]

_PATIENCE = 10.0  # seconds to wait for another process that migrates


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the migrations that the file lacks, under the write lock; raises SchemaTooNew, StoreUnavailable."""
    if version(connection) == migrations.newest():
        return
    _lock(connection)
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)"
        )
        for migration in migrations.after(version(connection), "sqlite"):
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?)", (migration.version, int(time.time())))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def version(connection: sqlite3.Connection) -> int:
    """Return the number of the newest migration that the file has, 0 for an empty one."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").fetchall()
    if not known:
        return 0
    rows = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchall()
    return int(rows[0][0])


def _lock(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"the store stays locked by another process: {error}") from error
            time.sleep(0.01)
        else:
            return
