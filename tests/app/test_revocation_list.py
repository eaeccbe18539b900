"""The list and a store from which expired certificates are removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509

from tests.store.test_sweep import DAY, add_certificate
from zonemint.app import revocation_list
from zonemint.app.revocation_list import RevocationLists
from zonemint.pki import authority
from zonemint.store import certificates, sweep
from zonemint.store.database import Steps
from zonemint.store.sqlite import SqliteDatabase

NOW = int(time.time())
LONG_ENDED = NOW - 100 * DAY


@dataclass
class Lab:
    db: SqliteDatabase
    ca: authority.Authority

    def list(self) -> RevocationLists:
        return RevocationLists(self.db, lambda: self.ca, "http://ca.lab.test", time.time)


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """A store with certificates 1 and 2, which can be listed, and one that was revoked and ended long ago."""
    authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=NOW)
    db = SqliteDatabase(tmp_path / "store.db")
    for serial, ends in (("1", NOW + DAY), ("2", NOW + DAY), ("3", LONG_ENDED)):
        await db.write(add_certificate(serial, ends))
    await db.write(certificates.adopt(authority.load(tmp_path / "pki", now=NOW).current.key_id))
    for serial in ("1", "3"):
        await db.write(certificates.revoke(serial, now=LONG_ENDED, reason=0))
    yield Lab(db, authority.load(tmp_path / "pki", now=NOW))
    await db.close()


def serials(lab: Lab, kept: RevocationLists) -> list[int]:
    return [one.serial_number for one in x509.load_der_x509_crl(kept.der(lab.ca.current))]


def removal() -> Steps[None]:
    swept = yield from sweep.certificates(ended_before=LONG_ENDED + 1, limit=10)
    assert swept.gone["certificates"] == 1


async def test_neither_what_ended_long_ago_nor_its_removal_makes_a_new_list(lab: Lab) -> None:
    first, second, third = lab.list(), lab.list(), lab.list()
    await first.load()
    assert serials(lab, first) == [1]
    await second.load()
    assert second.der(lab.ca.current) == first.der(lab.ca.current)
    await lab.db.write(removal())
    await third.load()
    assert third.der(lab.ca.current) == first.der(lab.ca.current)


async def test_a_revocation_is_noticed_though_as_many_certificates_are_removed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_list, "_LOOK", 0.001)
    kept = lab.list()
    await kept.load()

    def both() -> Steps[None]:
        yield from certificates.revoke("2", now=NOW, reason=0)
        yield from removal()

    keeping = asyncio.create_task(kept.keep())
    await lab.db.write(both())
    async with asyncio.timeout(10):
        while serials(lab, kept) != [1, 2]:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
