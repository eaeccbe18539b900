from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from zonemint.store import certificates, revocations
from zonemint.store.certificates import Certificate
from zonemint.store.sqlite import SqliteDatabase

NOW = 1_000_000


@dataclass(slots=True)
class Lab:
    """A store whose certificates have serials in the order in which they were made."""

    db: SqliteDatabase
    made: int = 0

    async def issue(self, *names: str, ends: int = NOW + 100, status: str = "valid") -> str:
        self.made += 1
        serial = f"{self.made:x}"
        row = Certificate(serial, None, None, status, names, "00", NOW, ends, NOW + self.made // 2, b"der")
        await self.db.write(certificates.insert(row))
        return serial

    async def newest(self, name: str) -> str | None:
        found = await self.db.read(certificates.newest_of_name(name))
        return None if found is None else found.serial


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    db = SqliteDatabase(tmp_path / "store.db")
    yield Lab(db)
    await db.close()


async def test_the_newest_certificate_that_carries_a_name_exactly(lab: Lab) -> None:
    await lab.issue("a.test", "b.test")
    both = await lab.issue("b.test", "*.a.test")
    await lab.issue("xa.test", "a.test.example", "ab.test")
    await lab.issue("a.test", status="reserved")
    assert await lab.newest("b.test") == both
    assert await lab.newest("*.a.test") == both
    assert await lab.newest("a.test") == "1"
    assert await lab.newest("test") is None


async def test_the_signs_of_a_pattern_stand_for_themselves(lab: Lab) -> None:
    await lab.issue("a-b.test")
    for name in ("a_b.test", "%", "%.test", "a\\b.test", 'a-b.test"', ""):
        assert await lab.newest(name) is None
    assert await lab.issue("a_b.test") == await lab.newest("a_b.test")


async def test_the_count_of_revocations_grows_with_each(lab: Lab) -> None:
    for number in range(3):
        serial = await lab.issue("a.test", ends=NOW - 1)
        counted = await lab.db.read(revocations.counts())
        assert sum(counted.values()) == revocations.total(counted, "", 0, 0) == number
        assert await lab.db.write(certificates.revoke(serial, now=NOW, reason=0))
        assert not await lab.db.write(certificates.revoke(serial, now=NOW, reason=1))
    counted = await lab.db.read(revocations.counts())
    day = (NOW - 1) // revocations.DAY * revocations.DAY
    assert revocations.total(counted, "", day, day + revocations.DAY) == 3
    assert revocations.total(counted, "", day + revocations.DAY, day + 2 * revocations.DAY) == 0
    assert revocations.total(counted, "other", 0, 0) == 0
