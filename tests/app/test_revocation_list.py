"""The list and a store from which expired certificates are removed."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509

from tests.store.test_sweep import DAY, add_certificate
from zonemint.app import revocation_list
from zonemint.app.revocation_list import RevocationLists
from zonemint.pki import authority, issue
from zonemint.pki.keys import generate
from zonemint.pki.profiles import DEFAULT
from zonemint.pki.serials import new_serial
from zonemint.store import certificates, sweep
from zonemint.store.database import Rows, Sql, Steps
from zonemint.store.sqlite import SqliteDatabase

NOW = int(time.time())
LONG_ENDED = NOW - 100 * DAY


@dataclass
class Lab:
    db: SqliteDatabase
    ca: authority.Authority
    now: float = NOW

    def list(self, *, window: int = 0) -> RevocationLists:
        return RevocationLists(self.db, lambda: self.ca, "http://ca.lab.test", lambda: self.now, window=window)


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


def serials(lab: Lab, kept: RevocationLists, begins: int = 0, ends: int = 0) -> list[int]:
    der = kept.der(lab.ca.current, begins, ends)
    assert der is not None
    return sorted(one.serial_number for one in x509.load_der_x509_crl(der))


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


async def test_what_ended_since_the_last_list_is_on_one_more(lab: Lab) -> None:
    kept = lab.list()
    await kept.load()
    # Its end comes before the next list in time, which has it; the one after does not.
    lab.now = NOW + 4 * DAY
    await kept.load()
    assert serials(lab, kept) == [1]
    lab.now = NOW + 8 * DAY
    await kept.load()
    assert serials(lab, kept) == []


async def test_nothing_is_read_of_certificates_while_nothing_changes(lab: Lab) -> None:
    kept = lab.list()
    await kept.load()
    with_certificates: list[str] = []
    read = lab.db.read

    async def watched(steps: Steps[object]) -> object:
        def seen() -> Steps[object]:
            rows: Rows = ()
            try:
                step = next(steps)
                while True:
                    if isinstance(step, Sql) and "certificates" in step.text.split("FROM", 1)[-1]:
                        with_certificates.append(step.text)
                    rows = yield step
                    step = steps.send(rows)
            except StopIteration as end:
                return end.value

        return await read(seen())

    lab.db.read = watched  # type: ignore[assignment]
    await kept.load()
    assert with_certificates == []
    await lab.db.write(certificates.revoke("2", now=NOW, reason=0))
    await kept.load()
    assert len(with_certificates) == 1


async def test_a_window_has_its_own_list(lab: Lab) -> None:
    end = NOW + DAY
    begins = end // DAY * DAY
    await lab.db.write(add_certificate("4", NOW + 3 * DAY))
    await lab.db.write(certificates.adopt(lab.ca.current.key_id))
    kept = lab.list(window=DAY)
    await kept.load()
    assert serials(lab, kept, begins, begins + DAY) == [1]
    der = kept.der(lab.ca.current, begins, begins + DAY)
    assert der is not None
    point = x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    assert point.full_name is not None
    url = f"http://ca.lab.test/crl/{lab.ca.current.key_id}/{begins}-{begins + DAY}"
    assert point.full_name[0].value == url
    later = (NOW + 3 * DAY) // DAY * DAY
    first = kept.der(lab.ca.current, later, later + DAY)
    assert serials(lab, kept, later, later + DAY) == []
    assert kept.der(lab.ca.current, begins, begins + 2 * DAY) is None

    await lab.db.write(certificates.revoke("2", now=NOW, reason=0))
    await kept.load()
    assert serials(lab, kept, begins, begins + DAY) == serials(lab, kept) == [1, 2]
    assert kept.der(lab.ca.current, later, later + DAY) == first, "another window's list is not made anew"

    # Without the setting, lists that certificates point to go on, until a week after their window.
    other = lab.list()
    await other.load()
    assert serials(lab, other, begins, begins + DAY) == [1, 2]
    lab.now = begins + DAY + 7 * DAY - 1
    await other.load()
    assert other.der(lab.ca.current, begins, begins + DAY)
    lab.now += 1
    await other.load()
    assert other.der(lab.ca.current, begins, begins + DAY) is None


async def test_certificates_point_to_the_list_of_their_window(lab: Lab) -> None:
    issuer = lab.ca.current
    template = issue.template(
        issuer, DEFAULT, crl_url=issuer.crl_url("http://ca.lab.test"), issuer_url=None, crl_window=7 * DAY
    )
    key = generate().public_key()
    prepared = issue.prepare(template, names=["a.lab.test"], ips=[], public_key=key, serial=new_serial(), now=NOW)
    leaf = x509.load_der_x509_certificate(issue.sign(prepared).der)
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    begins, _, ends = point.full_name[0].value.rpartition("/")[2].partition("-")
    assert int(begins) <= leaf.not_valid_after_utc.timestamp() < int(ends)
    assert issuer.crl_url("http://ca.lab.test", int(begins), int(ends)) == point.full_name[0].value


async def test_a_large_list_is_made_quickly_with_little_memory_and_lets_others_work(lab: Lab) -> None:
    size = 100_000
    rows = [(f"6{number:07x}", "default", NOW + DAY + number % 5000) for number in range(size)]

    def fill(part: list[tuple[str, str, int]]) -> Steps[None]:
        for serial, _, ends in part:
            yield Sql(
                "INSERT INTO certificates (serial, status, names, key_hash, not_before, not_after, created_at, "
                "revoked_at, revocation_reason, issuer) VALUES ($1, 'revoked', '[]', '', 0, $2, 0, $3, 4, $4)",
                (serial, ends, NOW - ends % 1000, lab.ca.current.key_id),
            )

    for at in range(0, size, 10_000):
        await lab.db.write(fill(rows[at : at + 10_000]))
    kept = lab.list()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(others())
    tracemalloc.start()
    began = time.process_time()
    await kept.load()
    took = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    der = kept.der(lab.ca.current)
    assert der is not None
    assert len(x509.load_der_x509_crl(der)) == size + 1
    # The list, its octets before and after the signature, and in the store; no entry is an object.
    assert peak < 8 * len(der)
    assert turns > size / 500
    print(f"{took:.2f} s of CPU, under tracemalloc")
