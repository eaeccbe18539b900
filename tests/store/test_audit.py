from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.postgres import Postgres, query
from zonemint.core.errors import AuditBroken, StoreError
from zonemint.core.hash_chain import GENESIS, Chain, Head
from zonemint.store import audit, certificates
from zonemint.store.audit import Fact, Kind, Missing
from zonemint.store.certificates import Certificate
from zonemint.store.database import Lock, Sql, Steps
from zonemint.store.opening import Store, open_store
from zonemint.store.sqlite import SqliteDatabase

NOW = 2_000_000_000.5  # after the log began


@dataclass(frozen=True, slots=True)
class Engine:
    """An empty store of one kind: opened as the program does, or changed by somebody who may do anything to it."""

    open: Callable[[], Awaitable[Store]]
    execute: Callable[[str], None]
    unguard: tuple[str, ...]

    def tamper(self, *statements: str) -> None:
        for statement in (*self.unguard, *statements):
            self.execute(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
        return Engine(
            lambda: open_store(url, tmp_path),
            lambda statement: void(query(url, statement)),
            ("DROP TRIGGER audit_is_not_changed ON audit",),
        )
    path = tmp_path / "store.db"

    def execute(statement: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(statement)

    guards = ("DROP TRIGGER audit_is_not_changed", "DROP TRIGGER audit_is_not_shortened")
    return Engine(lambda: open_store("", path), execute, guards)


def void(_: object) -> None:
    """Take no notice of what a statement returns."""


@pytest_asyncio.fixture
async def db(engine: Engine) -> AsyncIterator[Store]:
    db = await engine.open()
    yield db
    await db.close()


def fact(subject: str, kind: Kind = Kind.CERTIFICATE_ISSUED) -> Fact:
    return Fact(kind, "server", subject, {"names": ("a.test", "é.test"), "not_after": 7})


def issue(serial: str, status: str = "valid", *, at: float = NOW) -> Steps[None]:
    return certificates.insert(Certificate(serial, None, None, status, ("a.test",), "00", 1, 2, int(at), b"der"))


async def verified(db: Store) -> Chain:
    chain = Chain(whole=True)
    head = await db.read(audit.head())
    for entry in await db.read(audit.page(after=0, until=head.sequence, limit=1000)):
        chain.follow(entry)
    assert chain.head == head
    return chain


async def test_entries_follow_each_other_whoever_appends_and_however_many_at_once(db: Store) -> None:
    assert await db.read(audit.head()) == Head(0, GENESIS)
    await db.write(audit.append(fact("1"), now=NOW))
    await db.write(audit.append(fact("2"), fact("3", Kind.KEY_BLOCKED), fact("4"), now=NOW))
    await asyncio.gather(*(db.write(audit.append(fact(f"{number}"), now=NOW)) for number in range(5, 90)))
    chain = await verified(db)
    assert chain.count == 89
    assert chain.first is not None
    assert (chain.first.at, chain.first.event, chain.first.actor) == (2_000_000_000_500, "certificate.issued", "server")
    assert chain.first.detail == {"names": ("a.test", "é.test"), "not_after": 7}


async def test_another_process_goes_on_with_the_same_chain(db: Store, engine: Engine) -> None:
    other = await engine.open()
    await asyncio.gather(*(one.write(audit.append(fact(""), now=NOW)) for _ in range(20) for one in (db, other)))
    await other.close()
    assert (await verified(db)).count == 40


async def test_a_transaction_that_fails_leaves_no_entry_and_no_gap(db: Store) -> None:
    def work(serial: str) -> Steps[None]:
        yield from issue(serial)
        yield from audit.append(fact(serial), now=NOW)
        if serial in "37":
            raise KeyError(serial)

    await asyncio.gather(*(db.write(work(f"{number}")) for number in range(10)), return_exceptions=True)
    await db.write(work("a"))
    chain = await verified(db)
    assert chain.count == 9
    assert [missing.certificates for missing in await db.read(audit.unaccounted())] == [0, 0]
    assert {entry.subject for entry in await db.read(audit.listing(limit=99))} == set("01245689a")


def test_the_lock_is_taken_before_the_head_is_read_and_nothing_comes_after_the_entry() -> None:
    """Two nodes that read the same head would write two entries with one sequence."""
    steps = audit.append(fact("1"), now=NOW)
    assert next(steps) == Lock("audit")
    read = steps.send([])
    assert isinstance(read, Sql)
    assert read.text.startswith("SELECT sequence, hash FROM audit")
    written = steps.send([(41, "ab" * 32)])
    assert isinstance(written, Sql)
    assert written.text.startswith("INSERT INTO audit")
    assert (written.args[0], written.args[6]) == (42, "ab" * 32)
    with pytest.raises(StopIteration):
        steps.send([])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "UPDATE audit SET sequence = sequence",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE sequence = 2",
    ],
)
async def test_the_database_itself_changes_no_entry(db: Store, engine: Engine, statement: str) -> None:
    await db.write(audit.append(fact("1"), fact("2"), now=NOW))

    def change() -> Steps[None]:
        yield Sql(statement)

    with pytest.raises(StoreError, match="append-only"):
        await db.write(change())
    with pytest.raises(Exception, match="append-only"):
        engine.execute(statement)
    assert (await verified(db)).count == 2


async def test_postgresql_does_not_empty_the_table_either(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    db = await open_store(url, tmp_path)
    await db.write(audit.append(fact("1"), now=NOW))
    with pytest.raises(Exception, match="append-only"):
        query(url, "TRUNCATE audit")
    assert (await verified(db)).count == 1
    await db.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET at = at + 1 WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET event = 'certificate.failed' WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET actor = 'cli:root' WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET subject = '9' WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET detail = replace(detail, '7', '8') WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET detail = detail || ' ' WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET detail = '' WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET previous = hash WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET hash = previous WHERE sequence = 2", "entry 2 .*changed"),
        ("UPDATE audit SET sequence = 9 WHERE sequence = 2", "entry 2 .*missing: entry 3"),
        ("DELETE FROM audit WHERE sequence = 1", "entry 1 .*missing: entry 2"),
        ("DELETE FROM audit WHERE sequence = 2", "entry 2 .*missing: entry 3"),
        ("INSERT INTO audit SELECT 4, at, event, actor, subject, detail, previous, hash FROM audit WHERE sequence = 3",
         "entry 4 .*changed"),
    ],
)  # fmt: skip
async def test_what_is_done_to_the_table_is_found(db: Store, engine: Engine, statement: str, says: str) -> None:
    await db.write(audit.append(fact("1"), fact("2"), fact("3"), now=NOW))
    engine.tamper(statement)
    with pytest.raises(AuditBroken, match=says):
        await verified(db)


async def test_a_column_of_another_type_is_found_where_a_table_takes_one(tmp_path: Path) -> None:
    """As JSON has no octets, they are written as text, which another subject could be."""
    path = tmp_path / "store.db"
    db = SqliteDatabase(path)
    await db.write(audit.append(fact("aGVsbG8="), now=NOW))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TRIGGER audit_is_not_changed")
        other.execute("UPDATE audit SET subject = CAST('hello' AS BLOB)")
    with pytest.raises(AuditBroken, match=r"entry 1 .*changed"):
        await verified(db)
    await db.close()


async def test_two_entries_that_changed_places(db: Store, engine: Engine) -> None:
    await db.write(audit.append(fact("1"), fact("2"), fact("3"), now=NOW))
    moves = ((2, 9), (3, 2), (9, 3))
    engine.tamper(*(f"UPDATE audit SET sequence = {new} WHERE sequence = {old}" for old, new in moves))
    with pytest.raises(AuditBroken, match=r"entry 2 .*changed"):
        await verified(db)


async def test_pages_go_on_where_the_last_one_ended(db: Store) -> None:
    await db.write(audit.append(*(fact(f"{number}") for number in range(1, 8)), now=NOW))
    pages = [await db.read(audit.page(after=after, until=6, limit=3)) for after in (0, 3, 6)]
    assert [[entry.sequence for entry in page] for page in pages] == [[1, 2, 3], [4, 5, 6], []]


async def test_the_list_begins_with_the_newest_and_can_be_of_a_kind_and_a_subject(db: Store) -> None:
    facts = [fact("a"), fact("a", Kind.CERTIFICATE_REVOKED), fact("b"), fact("b", Kind.CERTIFICATE_REVOKED)]
    await db.write(audit.append(*facts, now=NOW))

    async def found(limit: int, event: str | None = None, subject: str | None = None) -> list[int]:
        entries = await db.read(audit.listing(limit=limit, event=event, subject=subject))
        return [entry.sequence for entry in entries]

    assert await found(9) == [4, 3, 2, 1]
    assert await found(2) == [4, 3]
    assert await found(9, Kind.CERTIFICATE_REVOKED) == [4, 2]
    assert await found(1, subject="a") == [2]
    assert await found(9, Kind.CERTIFICATE_ISSUED, "b") == [3]


async def test_certificates_without_an_entry_are_counted(db: Store) -> None:
    for serial, status in (("a", "valid"), ("b", "valid"), ("c", "valid"), ("d", "reserved")):
        await db.write(issue(serial, status))
    await db.write(audit.append(fact("b"), now=NOW))
    assert await db.read(audit.unaccounted()) == [
        Missing(Kind.CERTIFICATE_ISSUED, 2, "a"),
        Missing(Kind.CERTIFICATE_REVOKED, 0, None),
    ]
    await db.write(certificates.revoke("c", now=int(NOW), reason=0))
    await db.write(audit.append(fact("a"), fact("c"), now=NOW))
    assert await db.read(audit.unaccounted()) == [
        Missing(Kind.CERTIFICATE_ISSUED, 0, None),
        Missing(Kind.CERTIFICATE_REVOKED, 1, "c"),
    ]
    await db.write(audit.append(fact("c", Kind.CERTIFICATE_REVOKED), now=NOW))
    assert {missing.certificates for missing in await db.read(audit.unaccounted())} == {0}


async def test_what_was_issued_before_the_log_began_needs_no_entry(db: Store) -> None:
    await db.write(issue("a", at=1))
    await db.write(certificates.revoke("a", now=2, reason=0))
    assert {missing.certificates for missing in await db.read(audit.unaccounted())} == {0}
    # A log that was copied to a new store began with its first entry.
    await db.write(audit.append(fact("x"), now=0.5))
    assert {missing.certificates for missing in await db.read(audit.unaccounted())} == {1}


async def test_a_log_that_was_emptied_lacks_the_certificates(db: Store, engine: Engine) -> None:
    await db.write(issue("a"))
    await db.write(audit.append(fact("a"), now=NOW))
    engine.tamper("DELETE FROM audit")
    assert (await verified(db)).count == 0
    assert (await db.read(audit.unaccounted()))[0] == Missing(Kind.CERTIFICATE_ISSUED, 1, "a")


async def test_the_last_authority_is_found_without_a_look_at_all_entries(tmp_path: Path) -> None:
    db = SqliteDatabase(tmp_path / "store.db")
    assert await db.read(audit.loaded_authority()) is None
    facts = [fact("1", Kind.AUTHORITY_LOADED), fact("2", Kind.AUTHORITY_LOADED), fact("3")]
    await db.write(audit.append(*facts, now=NOW))
    assert await db.read(audit.loaded_authority()) == "2"
    wanted = next(audit.loaded_authority())
    assert isinstance(wanted, Sql)
    plan = db._connection.execute(f"EXPLAIN QUERY PLAN {wanted.text}").fetchall()
    assert "audit_authorities" in plan[0][3]
    await db.close()
