"""Brings a PostgreSQL database's schema up to date."""

from __future__ import annotations

import re
import time

from asyncpg import Connection

from zonemint.store import migrations

__all__ = ["in_own_words", "migrate", "version"]

_LOCK = 0x7A6F6E65  # "zone", for those who start at once
# What the common text, which is SQLite's, calls otherwise.
_OWN_WORDS = {" WITHOUT ROWID": "", "BLOB": "BYTEA"}
_FOREIGN = re.compile("|".join(map(re.escape, _OWN_WORDS)))


async def migrate(connection: Connection) -> None:
    """Apply the migrations that the database lacks, all or none, while other nodes wait; raises SchemaTooNew."""
    if await version(connection) == migrations.newest():
        return
    async with connection.transaction():
        # The more there is, the longer a step takes; and so long do the others wait for it.
        await connection.execute("SET LOCAL statement_timeout TO 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)"
        )
        for migration in migrations.after(await version(connection), "postgresql"):
            for statement in migration.statements:
                await connection.execute(in_own_words(statement))
            await connection.execute("INSERT INTO schema_versions VALUES ($1, $2)", migration.version, int(time.time()))


def in_own_words(statement: str) -> str:
    """Return a statement of a migration as PostgreSQL takes it."""
    return _FOREIGN.sub(lambda found: _OWN_WORDS[found[0]], statement)


async def version(connection: Connection) -> int:
    """Return the number of the newest migration that the database has, 0 for an empty one."""
    if await connection.fetchval("SELECT to_regclass('schema_versions')") is None:
        return 0
    found: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_versions")
    return found
