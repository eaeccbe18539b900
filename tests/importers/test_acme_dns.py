from __future__ import annotations

import json
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importers.acme_dns import SCHEMAS, Client, fill, hashed
from zonemint.core.errors import ForeignDataError
from zonemint.importers import acme_dns
from zonemint.importers.acme_dns import Account, Found, Value
from zonemint.importers.acme_dns_database import read_sqlite
from zonemint.importers.postgres import url_of

HASH = hashed("x" * 40)
OLD, NEW = "o" * 43, "n" * 43
USER = "11111111-2222-4333-8444-555555555555"


def found(*rows: tuple[Any, ...], txt: tuple[tuple[Any, ...], ...] = (), version: str = "1") -> Found:
    """Drive the reader by hand with these rows."""
    steps = acme_dns.found({"acmedns", "records", "txt"})
    answers = [((version,),), tuple((*row, None, None) for row in rows), txt]
    next(steps)
    try:
        for answer in answers:
            steps.send(answer)
    except StopIteration as stop:
        result: Found = stop.value
        return result
    raise AssertionError


def why(*row: Any) -> str:
    (refused,) = found(row).refused
    return refused.why


@pytest.mark.parametrize("version", [0, 1])
def test_both_versions_are_read(tmp_path: Path, version: int) -> None:
    client = Client(allow_from=("10.1.2.3/8",), values=((OLD, 1700000000), (NEW, 1700000001)))

    read = read_sqlite(fill(tmp_path / "acme-dns.db", [client, Client()], version, key_hash=HASH))

    (account,) = [one for one in read.accounts if one.username == client.username]
    assert (read.version, len(read.accounts), read.refused) == (version, 2, ())
    assert (account.subdomain, account.allow_from) == (client.subdomain, ("10.0.0.0/8",))
    newest = Value(NEW, 1700000001)
    assert account.values == ((newest,) if version == 0 else (Value(OLD, 1700000000), newest))


def test_version_0_that_became_1_keeps_its_old_column_and_it_counts_no_more(tmp_path: Path) -> None:
    file = fill(tmp_path / "acme-dns.db", [Client(values=((OLD, 1700000000),))], 0, key_hash=HASH)
    with sqlite3.connect(file) as db:
        db.execute(SCHEMAS[1][2])
        db.execute("UPDATE acmedns SET Value = '1'")
    db.close()

    read = read_sqlite(file)

    assert (read.version, read.accounts[0].values) == (1, ())


def test_a_password_may_be_octets_or_text_and_names_any_spelling() -> None:
    spelled = f"{{{USER.upper()}}}"
    read = found((spelled, HASH.encode(), USER.upper().encode(), None), (str(uuid.uuid4()), HASH, "b", "[]"))

    assert read.accounts[0] == Account(USER, HASH, USER, (), ())
    assert read.accounts[1].key_hash == HASH


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("nobody", HASH, "a", "[]"), "Username is no UUID"),
        ((b"\xff", HASH, "a", "[]"), "Username is not UTF-8"),
        ((USER, "plain", "a", "[]"), "Password is no bcrypt hash"),
        ((USER, HASH.replace("$10$", "$31$"), "a", "[]"), "bcrypt cost 31"),
        ((USER, 5, "a", "[]"), "Password is no text"),
        ((USER, HASH, "a.b", "[]"), "Subdomain is no label"),
        ((USER, HASH, "a", "[1]"), "AllowFrom is no JSON list"),
        ((USER, HASH, "a", '["10.0.0.0/99"]'), "AllowFrom is no JSON list"),
        ((USER, HASH, "a", "[" * 8000), "AllowFrom is no JSON list"),
        ((USER, HASH, "a", json.dumps(["10.0.0.0/8"] * 101)), "more than 100 networks"),
        ((USER, HASH, "a", " " * 9000), "more than 8192 characters"),
    ],
)
def test_a_row_that_is_wrong_says_why_and_comes_not(row: tuple[Any, ...], reason: str) -> None:
    assert reason in why(*row)


def test_values_that_are_wrong_are_left_out_alone() -> None:
    read = found((USER, HASH, "a", "[]"), txt=(("a", "short", 1), ("a", NEW, b"now"), ("a", OLD, 2), ("A", OLD, 1)))

    assert read.accounts[0].values == (Value(OLD, 2),)
    assert [one.why for one in read.refused] == ["Value has not the 43 characters of a digest", "LastUpdate is no time"]


foreign = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.just(HASH) | st.just(USER)


@given(st.lists(st.tuples(foreign, foreign, foreign, foreign)), st.lists(st.tuples(foreign, foreign, foreign)))
def test_rows_of_any_types_are_taken_or_refused(rows: list[tuple[Any, ...]], txt: list[tuple[Any, ...]]) -> None:
    read = found(*rows, txt=tuple(txt))

    assert len(read.accounts) + len([one for one in read.refused if one.what.startswith("account ")]) == len(rows)
    assert all(one.why.isprintable() and one.what.isprintable() for one in read.refused)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_one_clear_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(fill(folder / "whole.db", [Client() for _ in range(30)], key_hash=HASH).read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(16, len(content) - 1))
        content[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    damaged = folder / "damaged.db"
    damaged.write_bytes(content[: data.draw(st.integers(100, len(content)))])
    said = ""
    try:
        read = read_sqlite(damaged)
    except ForeignDataError as error:
        said = str(error)
    assert "\n" not in said
    assert said.startswith(f"{damaged}: ") if said else all(len(one.key_hash) == 60 for one in read.accounts)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["CREATE TABLE other(x)"], "no table `records`"),
        ([*SCHEMAS[1], "INSERT INTO acmedns VALUES('db_version', '7')"], "db_version 0 and 1 are read"),
        (["CREATE TABLE records(x)"], "no such column"),
        ([*SCHEMAS[1], "INSERT INTO records VALUES(zeroblob(9000000), 'a', 'b', 'c')"], "cannot be read"),
    ],
)
def test_another_database_is_one_clear_line(tmp_path: Path, statements: list[str], reason: str) -> None:
    with sqlite3.connect(tmp_path / "other.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()

    with pytest.raises(ForeignDataError, match=reason):
        read_sqlite(tmp_path / "other.db")


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ("postgres://a:b@db/acmedns", "postgres://a:b@db/acmedns"),
        (
            "host=db port=5433 user=a password='p w' dbname=x sslmode=disable",
            "postgresql://a:p%20w@db:5433/x?sslmode=disable",
        ),
        ("user=a", "postgresql://a@localhost/a"),
    ],
)
def test_connections_are_urls_or_words(connection: str, url: str) -> None:
    assert url_of(connection) == url
