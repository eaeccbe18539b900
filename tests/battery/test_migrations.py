"""Every schema that was ever made leads to the newest one, with what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from tests.postgres import Postgres, query
from zonemint.core.errors import SchemaTooNew
from zonemint.store import accounts, certificates, migrations, orders, postgres_schema, txt
from zonemint.store.opening import open_store

VERSIONS = [one.version for one in migrations.after(0, "sqlite")]
ROWS = (
    "INSERT INTO accounts (id, provisioner, thumbprint, jwk, status, contacts, created_at, created_from) "
    "VALUES ('a1', 'acme', 't', '{}', 'valid', '[]', 1, 'test')",
    "INSERT INTO orders (id, account_id, provisioner, status, identifiers, authorizations, profile, created_at, "
    "expires_at, serial, reserved_by) VALUES ('o1', 'a1', 'acme', 'valid', "
    "'[{\"type\":\"dns\",\"value\":\"a.test\"}]', '[\"z1\"]', 'default', 1, 2, '5e', 'p')",
    "INSERT INTO authorizations (id, order_id, account_id, identifier_type, identifier_value, wildcard, status, "
    "challenges, created_at, expires_at) VALUES ('z1', 'o1', 'a1', 'dns', 'a.test', {true}, 'valid', '[]', 1, 2)",
    "INSERT INTO validations (authorization_id, challenge_type, requested_at) VALUES ('z1', 'dns-01', 1)",
    "INSERT INTO certificates (serial, order_id, account_id, status, names, key_hash, not_before, not_after, "
    "created_at, der, revoked_at, revocation_reason) "
    "VALUES ('5e', 'o1', 'a1', 'revoked', '[\"a.test\"]', 'k', 1, 2, 1, {blob}, 3, 4)",
    "INSERT INTO traces VALUES ('o1', 't1', '[]')",
    "INSERT INTO txt_accounts (username, key_hash, zone, subdomain, allow_from, created_ms, created_from) "
    "VALUES ('u', 'h', 'auth.test', 's', '[]', 1, 'test')",
    "INSERT INTO txt_values (subdomain, value, sequence, updated_ms, updated_from) VALUES ('s', 'v', 1, 1, 'test')",
    "INSERT INTO records VALUES ('test', 'a.test', 'TXT', '\"x\"', 60, 1, 'test')",
    "INSERT INTO zone_serials VALUES ('test', 5, 'digest')",
    "INSERT INTO crls (number, der, next_update) VALUES (7, {blob}, 9)",
)


class _Sqlite:
    """Makes an old store in a file, and tells what a store's schema is."""

    engine: migrations.Engine = "sqlite"
    words: ClassVar = {"{true}": "1", "{blob}": "x'646572'"}

    def __init__(self, file: Path) -> None:
        self.url = ""
        self.file = file

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def schema(self) -> object:
        with closing(sqlite3.connect(self.file)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return sorted(found)


class _Postgresql:
    engine: migrations.Engine = "postgresql"
    words: ClassVar = {"{true}": "true", "{blob}": "'\\x646572'"}

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = Path()

    def run(self, *statements: str) -> None:
        for statement in statements:
            query(self.url, postgres_schema.in_own_words(statement))

    def schema(self) -> object:
        columns = "table_name, column_name, data_type, is_nullable, column_default"
        return (
            sorted(
                query(self.url, f"SELECT {columns} FROM information_schema.columns WHERE table_schema = 'public'"),
                key=str,
            ),
            sorted(query(self.url, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'")),
            sorted(query(self.url, "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")),
        )


Make = Callable[[], "_Sqlite | _Postgresql"]


@pytest.fixture(params=["sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes an empty store, each time another one."""
    if request.param == "sqlite":
        numbers = count()
        return lambda: _Sqlite(tmp_path / f"{next(numbers)}.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return lambda: _Postgresql(postgres.database())


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_old_store_becomes_a_new_one_with_all_that_is_in_it(make: Make, version: int) -> None:
    fresh, old = make(), make()
    await (await open_store(fresh.url, fresh.file)).close()
    for migration in migrations.after(0, old.engine):
        if migration.version <= version:
            old.run(*migration.statements)
    old.run(
        "CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)",
        *(f"INSERT INTO schema_versions VALUES ({one}, 0)" for one in VERSIONS if one <= version),
    )
    for row in ROWS:
        for word, own in old.words.items():
            row = row.replace(word, own)
        old.run(row)
    db = await open_store(old.url, old.file)
    try:
        assert (await db.read(accounts.by_thumbprint("acme", "t"))) is not None
        order = await db.read(orders.by_id("o1"))
        assert order is not None
        assert order.serial == "5e"
        certificate = await db.read(certificates.by_serial("5e"))
        assert certificate is not None
        assert (certificate.der, certificate.revocation_reason) == (b"der", 4)
        assert [one.value for one in await db.read(txt.values("s"))] == ["v"]
    finally:
        await db.close()
    assert old.schema() == fresh.schema()


async def test_a_newer_store_is_refused_and_left_alone(make: Make) -> None:
    store = make()
    await (await open_store(store.url, store.file)).close()
    store.run("INSERT INTO schema_versions VALUES (9999, 0)")
    before = store.schema()
    with pytest.raises(SchemaTooNew, match="9999"):
        await open_store(store.url, store.file)
    assert store.schema() == before
