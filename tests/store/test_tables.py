"""The tables that are copied are those of the migrations, and none can be forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.store import filled
from zonemint.store.tables import objects, objects_in, tables


def test_every_table_of_the_schema_is_there_but_for_what_is_no_content(tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled.make(tmp_path / "store.db"))) as db:
        made = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {table.name for table in tables()} == made - {"schema_versions", "leases"}
        for table in tables():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table.name})")]
            assert list(table.columns) == columns


def test_a_table_comes_after_those_that_it_refers_to(tmp_path: Path) -> None:
    names = [table.name for table in tables()]
    with closing(sqlite3.connect(filled.make(tmp_path / "store.db"))) as db:
        for at, name in enumerate(names):
            parents = {row[2] for row in db.execute(f"PRAGMA foreign_key_list({name})")}
            assert parents <= set(names[:at]), name
    assert names.index("orders") > names.index("accounts")


def test_what_is_true_or_false_is_known() -> None:
    (table,) = [table for table in tables() if table.name == "authorizations"]
    assert {table.columns[at] for at in table.booleans} == {"wildcard", "subdomains"}


def test_the_filled_store_has_rows_in_all_of_them(tmp_path: Path) -> None:
    assert set(filled.COUNTS) == {table.name for table in tables()}


def test_a_file_is_known_by_all_that_its_schema_has(tmp_path: Path) -> None:
    with closing(sqlite3.connect(filled.fill(tmp_path / "store.db"))) as db:
        (version,) = db.execute("SELECT max(version) FROM schema_versions").fetchone()
        assert objects_in(db) == objects(version)
        db.execute("ANALYZE")
        assert objects_in(db) == objects(version)
        db.execute("CREATE TRIGGER evil AFTER INSERT ON accounts BEGIN DELETE FROM orders; END")
        assert {name for _, name, _ in objects_in(db) ^ objects(version)} == {"evil"}
        db.execute("DROP TRIGGER evil")
        db.execute("DROP INDEX orders_by_account")
        assert {name for _, name, _ in objects_in(db) ^ objects(version)} == {"orders_by_account"}
