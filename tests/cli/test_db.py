from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.postgres import Postgres
from tests.store import filled


@pytest.fixture
def store(folder: Path) -> Path:
    """A folder whose store has rows in every table, though no true certificate."""
    (folder / "zonemint.db").unlink(missing_ok=True)
    filled.fill(folder / "zonemint.db")
    return folder


@pytest.fixture
def sound(folder: Path) -> Path:
    """A folder whose store has nothing wrong in it."""
    assert run("register", "server-1", "--data", folder).returncode == 0
    return folder


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "zonemint.db")) as db, db:
        db.executescript(sql)


def test_a_sound_store(sound: Path) -> None:
    done = run("db", "check", "--json", "--data", sound)
    assert done.returncode == 0
    assert {one["result"] for one in json.loads(done.stdout)} == {"ok"}
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("sql", "check", "what"),
    [
        (
            "INSERT INTO txt_values VALUES ('nobody', 'x', 1, 1, '', NULL)",
            "the engine finds no damage",
            "txt_values refers to one of txt_accounts",
        ),
        ("INSERT INTO schema_versions VALUES (999, 1)", "the schema is", "it is 999"),
        ("INSERT INTO orders VALUES ('o9', 'a1', 'acme', 'valid', '[]', '[]', '', 1, 2, 3, 4, 'ff', 'x', NULL, NULL)",
         "a valid order has its certificate", "o9"),
        ("UPDATE certificates SET order_id = 'gone'", "the order of a certificate", "0a"),
        ("UPDATE authorizations SET order_id = 'gone'", "the order of an authorization", "z1"),
        ("UPDATE orders SET status = 'processing' WHERE id = 'o2'", "an order that is processing", "o2"),
        ("UPDATE authorizations SET status = 'valid'", "an order is not pending when", "o1"),
        ("UPDATE authorizations SET status = 'invalid'", "a validation is owed", "z1"),
        ("UPDATE certificates SET status = 'valid'", "a certificate is revoked when", "0a"),
        ("UPDATE certificates SET der = NULL", "a certificate", ""),
        ("DROP TRIGGER audit_is_not_changed; UPDATE audit SET actor = 'cli:else' WHERE sequence = 2",
         "the audit log follows", "entry 2 of the audit log was changed"),
        ("UPDATE crls SET number = 8", "the revocation list has its number", "it cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_to_do(store: Path, sql: str, check: str, what: str) -> None:
    change(store, "UPDATE certificates SET der = NULL WHERE serial <> 'none'")
    change(store, sql)
    done = run("db", "check", "--json", "--data", store)
    assert done.returncode == 1
    wrong = [one for one in json.loads(done.stdout) if one["check"].startswith(check)]
    assert what in " ".join(one["result"] for one in wrong)
    assert "to do: " in done.stderr


def test_a_certificate_that_is_not_what_its_row_says(store: Path) -> None:
    done = run("db", "check", "--json", "--data", store)
    assert done.returncode == 1
    (one,) = [one for one in json.loads(done.stdout) if one["check"].startswith("each certificate")]
    assert [found.partition(":")[0] for found in one["wrong"]] == ["0b", "0a"]


def test_a_broken_page(sound: Path) -> None:
    with closing(sqlite3.connect(sound / "zonemint.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'txt_accounts'").fetchone()
        (page,) = db.execute("PRAGMA page_size").fetchone()
    with (sound / "zonemint.db").open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    done = run("db", "check", "--data", sound)
    assert done.returncode == 1
    assert "`zonemint restore` a backup" in done.stderr


def test_a_folder_without_a_store(folder: Path) -> None:
    (folder / "zonemint.db").unlink(missing_ok=True)
    done = run("db", "check", "--data", folder)
    assert done.returncode == 1
    assert "there is no store" in done.stderr


def test_stats(store: Path) -> None:
    facts = json.loads(run("db", "stats", "--json", "--data", store).stdout)
    assert {one["name"]: one["rows"] for one in facts["tables"]}.items() >= filled.COUNTS.items()
    assert facts["engine"].startswith("SQLite 3")
    assert facts["file_bytes"] == (store / "zonemint.db").stat().st_size
    assert (facts["certificates"], facts["oldest"]) == (2, "1970-01-01T00:00:01Z")
    table = run("db", "stats", "--data", store).stdout
    assert "blocked_keys" in table
    with closing(sqlite3.connect(":memory:")) as db:
        has_sizes = db.execute(
            "SELECT count(*) FROM pragma_compile_options WHERE compile_options = 'ENABLE_DBSTAT_VTAB'"
        )
        if has_sizes.fetchone()[0]:
            assert sum(one["bytes"] for one in facts["tables"]) <= facts["file_bytes"]


def test_vacuum_gives_back_what_deleted_rows_took(store: Path) -> None:
    change(store, "INSERT INTO blocked_keys VALUES ('large', 1, '" + "x" * 1_000_000 + "')")
    change(store, "DELETE FROM blocked_keys")
    done = json.loads(run("db", "vacuum", "--json", "--data", store).stdout)
    assert done["bytes_after"] < done["bytes_before"] - 1_000_000
    assert run("orders", "list", "--data", store).returncode == 0


def test_the_same_on_postgresql(store: Path, postgres: Postgres) -> None:
    url = postgres.database()
    done = run("db", "copy", "--to", url, "--json", "--data", store)
    assert done.returncode == 0, done.stderr
    assert {one["table"]: one["rows"] for one in json.loads(done.stdout)} == filled.COUNTS
    assert "database = " in done.stderr
    facts = json.loads(run("db", "stats", "--json", "--database", url, "--data", store).stdout)
    assert facts["engine"].startswith("PostgreSQL ")
    assert {one["name"]: one["rows"] for one in facts["tables"]}.items() >= filled.COUNTS.items()
    assert all(one["bytes"] > 0 for one in facts["tables"] if one["rows"])
    assert run("db", "vacuum", "--database", url, "--data", store).returncode == 0
    here = json.loads(run("db", "check", "--json", "--data", store).stdout)
    there = run("db", "check", "--json", "--database", url, "--data", store)
    assert there.returncode == 1
    assert json.loads(there.stdout) == here
    assert run("db", "copy", "--to", url, "--data", store).returncode == 1
    back = store / "back.db"
    assert run("db", "copy", "--to", back, "--database", url, "--data", store).returncode == 0


def test_a_copy_goes_into_a_new_file(store: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    done = run("db", "copy", "--to", tmp_path / "there", "--data", store)
    assert done.returncode == 1
    assert "there is a file already" in done.stderr
    assert (tmp_path / "there").read_text() == "mine"
