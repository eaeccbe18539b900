"""Lists of certificates on both engines."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from tests.battery.conftest import Opener
from zonemint.app.inventory import SPANS, Numbers, without_renewed
from zonemint.store import accounts, audit, certificates, inventory, orders
from zonemint.store.accounts import Account
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps
from zonemint.store.inventory import Listed, Place, Wanted
from zonemint.store.opening import Store
from zonemint.store.orders import Order

NOW = 1_000_000
DAY = 86400


def filled() -> Steps[None]:
    """Put in certificates 1 to 9 in hexadecimal, made and ending in that order; the third is revoked."""
    yield from accounts.insert(Account("alice", "acme", "t", "{}", "valid", (), 0, 0, ""))
    order = Order("o", "alice", "acme", "valid", (), (), "shortlived", None, None, 0, 0, "5", "p")
    yield from orders.insert(order)
    for number in range(1, 10):
        names = ("both.lab.test", f"host-{number}.lab.test") if number % 2 else (f"*.x_{number}.lab.test",)
        order_id, account = ("o", "alice") if number == 5 else (None, None)
        ends = NOW + number * DAY
        yield from certificates.insert(
            Certificate(f"{number}", order_id, account, "valid", names, f"{number}0", NOW, ends, NOW + number, b"der")
        )
    yield from certificates.revoke("3", now=NOW, reason=4)
    yield from certificates.insert(Certificate("a", None, None, "reserved", ("a",), "a0", NOW, NOW, NOW))


@pytest_asyncio.fixture
async def full(db: Store) -> Store:
    await db.write(filled())
    return db


async def listed(db: Store, wanted: Wanted, *, by_end: bool = False, limit: int = 100) -> str:
    """Return the serials of all pages."""
    found: list[Listed] = []
    while True:
        place = found[-1].place if found else None
        more = await db.read(inventory.page(wanted, after=place, by_end=by_end, limit=limit))
        found += more
        if len(more) < limit:
            return "".join(one.serial for one in found if not wanted.name or inventory.matches(wanted.name, one.names))


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 100])
async def test_pages_go_on_where_the_last_one_ended(full: Store, limit: int) -> None:
    assert await listed(full, Wanted(), limit=limit) == "987654321"
    assert await listed(full, Wanted(), by_end=True, limit=limit) == "123456789"
    assert await listed(full, Wanted(name="both.*"), by_end=True, limit=limit) == "13579"


@pytest.mark.parametrize(
    ("wanted", "serials"),
    [
        (Wanted(status="revoked"), "3"),
        (Wanted(account="alice"), "5"),
        (Wanted(profile="shortlived"), "5"),
        (Wanted(serial="7"), "7"),
        (Wanted(key="40"), "4"),
        (Wanted(key="5"), "5"),
        (Wanted(issued_since=NOW + 8), "98"),
        (Wanted(ends_after=NOW + 2 * DAY, ends_before=NOW + 4 * DAY), "432"),
        (Wanted(name="host-7.lab.test"), "7"),
        (Wanted(name="host-?.lab.test"), "97531"),
        (Wanted(name="*.x_4.lab.test"), "4"),
        (Wanted(name="*.x%4.lab.test"), ""),
        (Wanted(name="*lab.test", status="valid", issued_since=NOW + 3), "987654"),
        (Wanted(name="lab.test"), ""),
        (Wanted(name='"'), ""),
    ],
    ids=str,
)
async def test_each_filter_holds(full: Store, wanted: Wanted, serials: str) -> None:
    assert await listed(full, wanted) == serials


async def test_what_an_order_tells_is_there(full: Store) -> None:
    (one,) = await full.read(inventory.page(Wanted(serial="5"), after=None, by_end=False, limit=9))
    assert (one.profile, one.account_id, one.order_id) == ("shortlived", "alice", "o")
    assert one.place == Place(NOW + 5 * DAY, "5")


@pytest.mark.parametrize(
    ("pattern", "names", "is_one"),
    [
        ("a.test", ["b.test", "a.test"], True),
        ("a.test", ["xa.test", "a.test.x", "aXtest"], False),
        ("*.test", ["a.b.test"], True),
        ("?.test", ["ab.test"], False),
        ("[a].test", ["a.test"], False),
        ("", ["a"], False),
    ],
)
def test_a_pattern_is_of_a_whole_name(pattern: str, names: list[str], is_one: bool) -> None:
    assert inventory.matches(pattern, names) is is_one


async def unrenewed(db: Store, *, within: int) -> str:
    wanted = Wanted(status="valid", ends_after=NOW, ends_before=NOW + within)
    found = await db.read(inventory.page(wanted, after=None, by_end=True, limit=100))
    return " ".join(one.serial for one in await without_renewed(db, found))


async def test_what_was_not_renewed(db: Store) -> None:
    def issue(serial: str, names: str, ends: int) -> Steps[None]:
        yield from certificates.insert(
            Certificate(serial, None, None, "valid", tuple(names), "00", NOW, NOW + ends, NOW, b"der")
        )

    for serial, names, ends in (
        ("1", "a", 10),
        ("2", "a", 20),
        ("3", "b", 10),
        ("4", "b", 500),
        ("5", "ab", 15),
        ("6", "c", 30),
    ):
        await db.write(issue(serial, names, ends))
    assert await unrenewed(db, within=100) == "5 2 6"
    # One that is revoked renews nothing.
    await db.write(certificates.revoke("4", now=NOW, reason=0))
    assert await unrenewed(db, within=100) == "3 5 2 6"
    # Nor does one that ends at the same time.
    await db.write(issue("7", "c", 30))
    assert await unrenewed(db, within=100) == "3 5 2 6 7"
    assert await unrenewed(db, within=9) == ""


async def test_the_numbers_are_those_of_the_store(full: Store, another: Opener) -> None:
    def happen(kind: audit.Kind, times: int) -> Steps[None]:
        yield from audit.append(*[audit.Fact(kind, "server", "5e", {})] * times, now=NOW)

    await full.write(happen(audit.Kind.CERTIFICATE_ISSUED, 3))
    clock = [float(NOW)]
    numbers = Numbers(full, lambda: clock[0])
    await numbers.begin()
    await numbers.refresh()
    assert numbers.events == {"issued": 0, "failed": 0, "revoked": 0}
    assert list(numbers.ending) == list(SPANS)
    assert numbers.ending == {"1d": 1, "7d": 6, "30d": 8, "90d": 8, "+Inf": 8}
    other = await another()
    await other.write(happen(audit.Kind.CERTIFICATE_ISSUED, 2))
    await other.write(happen(audit.Kind.CERTIFICATE_REVOKED, 1))
    await other.write(happen(audit.Kind.TOKEN_CREATED, 1))
    await numbers.refresh()
    assert numbers.events["issued"] == 0, "what is young enough is not read again"
    clock[0] += DAY
    await numbers.refresh()
    assert numbers.events == {"issued": 2, "failed": 0, "revoked": 1}
    assert json.dumps(numbers.ending) == '{"1d": 1, "7d": 6, "30d": 7, "90d": 7, "+Inf": 7}'
