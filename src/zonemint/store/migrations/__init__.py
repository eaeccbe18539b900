"""The schema as numbered SQL files, applied in order and never changed after a release."""

from __future__ import annotations

import sqlite3
import time
from importlib import resources

from zonemint.core.errors import SchemaTooNew, StoreUnavailable

__all__ = ["migrate"]

_PATIENCE = 10.0  # seconds to wait for another process that migrates


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date under the write lock; raises SchemaTooNew, StoreUnavailable."""
    newest = max(version for version, _ in _files())
    if _version(connection) == newest:
        return
    _lock(connection)
    try:
        current = _version(connection)
        if current > newest:
            raise SchemaTooNew(
                f"the store has schema {current} and this release knows up to {newest}: "
                "use a newer zonemint, or restore a backup"
            )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)"
        )
        for version, text in _files():
            if version > current:
                for statement in _statements(text):
                    connection.execute(statement)
                connection.execute("INSERT INTO schema_versions VALUES (?, ?)", (version, int(time.time())))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _files() -> list[tuple[int, str]]:
    """Return (number, text) of each migration, in order."""
    found = [
        (int(file.name.partition("_")[0]), file.read_text(encoding="ascii"))
        for file in resources.files(__name__).iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found)


def _statements(text: str) -> list[str]:
    lines = (line.partition("--")[0].rstrip() for line in text.splitlines())
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def _version(connection: sqlite3.Connection) -> int:
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
