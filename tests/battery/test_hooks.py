"""Hooks on both engines: events in order, at least once, and for each hook by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest_asyncio
from cryptography import x509

from tests.battery.conftest import Opener
from tests.hooks.receiving import Receiving, receiving
from tests.trust.authorities import Ca
from zonemint.app.hooks import _Lease, _sources
from zonemint.config import Hook, Seconds
from zonemint.hooks.sender import Sender
from zonemint.hooks.webhook import Webhook
from zonemint.store import audit, certificates, hooks
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps
from zonemint.store.hooks import Cursor
from zonemint.store.opening import Store

NOW = 1_800_000_000
DAY = 86400
EXPIRING = Hook(events=("expiring",))
AUDIT = Hook(events=("issued", "revoked", "failed"))


@dataclass(slots=True)
class Lab:
    """A store, a clock, and hooks that tell a real server."""

    db: Store
    now: float = NOW
    own: list[tuple[str, x509.Certificate]] = field(default_factory=list)

    def sender(self, to: Receiving, hook: Hook, *, db: Store | None = None, process: str = "one") -> Sender:
        store = db or self.db
        webhook = Webhook(to.url, source="https://ca.lab.test", secret=None, timeout=10, context=None)
        return Sender(
            "h",
            webhook,
            _sources(hook, store, lambda: self.own),
            store,
            lambda: self.now,
            give_up=float(hook.give_up),
            is_ours=_Lease(store, process, lambda: self.now).is_held,
        )

    async def happen(self, *subjects: str, kind: audit.Kind = audit.Kind.CERTIFICATE_ISSUED) -> None:
        facts = [audit.Fact(kind, "server", one, {"names": ("a.lab.test",), "not_after": NOW}) for one in subjects]
        await self.db.write(audit.append(*facts, now=self.now))

    async def issue(self, serial: str, ends: float, *names: str) -> None:
        await self.db.write(
            certificates.insert(Certificate(serial, None, None, "valid", names, "00", NOW, int(ends), NOW, b"der"))
        )

    async def cursor(self, source: str = "audit") -> Cursor:
        return next(one for one in await self.db.read(hooks.cursors("h")) if one.source == source)


@pytest_asyncio.fixture
async def lab(db: Store) -> Lab:
    return Lab(db)


async def all_of(sender: Sender) -> None:
    """Have a sender tell all that it may now."""
    while await sender.round():
        pass


async def test_events_come_in_order_from_the_start_on(lab: Lab) -> None:
    await lab.happen("before")
    async with receiving() as one:
        sender = lab.sender(one, AUDIT)
        await all_of(sender)
        await lab.happen("1", "2")
        await lab.happen("token", kind=audit.Kind.TOKEN_CREATED)
        await lab.happen("3", kind=audit.Kind.CERTIFICATE_REVOKED)
        lab.now += 2
        await all_of(sender)
    assert one.subjects() == "1 2 3"
    assert one.types() == ["certificate.issued", "certificate.issued", "certificate.revoked"]
    assert one.got[0].event["data"]["not_after"] == "2027-01-15T08:00:00Z"
    assert len({got.event["id"] for got in one.got}) == 3


async def test_a_change_of_intermediate_or_root_is_told(lab: Lab) -> None:
    async with receiving() as one:
        sender = lab.sender(one, Hook(events=("rotated",)))
        await all_of(sender)
        await lab.happen("serial")
        await lab.happen("aa", kind=audit.Kind.INTERMEDIATE_ROTATED)
        await lab.happen("bb", kind=audit.Kind.ROOT_ROTATED)
        await lab.happen("cc", kind=audit.Kind.ROOT_DROPPED)
        lab.now += 2
        await all_of(sender)
    assert one.types() == ["intermediate.rotated", "root.rotated", "root.dropped"]
    assert [got.event["data"]["sha256"] for got in one.got] == ["aa", "bb", "cc"]
    assert not any("serial" in got.event["data"] for got in one.got)


async def test_more_than_a_page_is_told(lab: Lab) -> None:
    async with receiving() as one:
        sender = lab.sender(one, Hook(events=("failed",)))
        await all_of(sender)
        await lab.happen(*map(str, range(250)), kind=audit.Kind.CERTIFICATE_FAILED)
        await lab.happen(*map(str, range(250)))
        lab.now += 2
        await all_of(sender)
    assert one.subjects() == " ".join(map(str, range(250)))


async def test_a_crash_after_a_delivery_tells_it_again_and_loses_none(lab: Lab) -> None:
    async with receiving() as one:
        await all_of(lab.sender(one, AUDIT))
        await lab.happen("1")
        lab.now += 2
        dying = lab.sender(one, AUDIT)
        await dying.round()
        await lab.happen("2")
        # Within a second of the last time it was written, the position is in memory only.
        dying._looked.clear()
        await dying.round()
        assert one.subjects() == "1 2"
        await lab.happen("3")
        lab.now += 2
        last = lab.sender(one, AUDIT)
        for _ in range(2):
            await all_of(last)
            lab.now += 2
    assert one.subjects() == "1 2 2 3"
    assert one.got[1].event["id"] == one.got[2].event["id"]
    assert ((await lab.cursor()).told, (await lab.cursor()).position) == (3, "3")


async def test_what_fails_is_tried_again_after_longer_pauses_and_holds_up_the_rest(lab: Lab) -> None:
    async with receiving(500, 500, 503) as one:
        sender = lab.sender(one, AUDIT)
        await all_of(sender)
        await lab.happen("1", "2")
        for pause, attempts in ((2, 1), (4, 2), (8, 3)):
            lab.now += 10
            await all_of(sender)
            cursor = await lab.cursor()
            assert (cursor.attempts, cursor.retry_ms) == (attempts, int((lab.now + pause) * 1000))
            assert "so so" in cursor.error
            lab.now += pause - 0.1
            await all_of(sender)
            assert len(one.got) == attempts
        # Another run goes on with the same count.
        lab.now += 1
        await all_of(lab.sender(one, AUDIT))
    assert one.subjects() == "1 1 1 1 2"
    assert ((await lab.cursor()).attempts, (await lab.cursor()).error) == (0, "")


async def test_what_is_refused_five_times_is_given_up(lab: Lab) -> None:
    async with receiving(*[400] * 5) as one:
        sender = lab.sender(one, AUDIT)
        await all_of(sender)
        await lab.happen("bad", "good")
        for _ in range(8):
            lab.now += 400
            await all_of(sender)
    assert one.subjects() == "bad bad bad bad bad good"
    cursor = await lab.cursor()
    assert (cursor.given_up, cursor.attempts) == (1, 0)
    assert sender.counts["given up"] == 1


async def test_what_is_too_old_is_tried_once_and_given_up(lab: Lab) -> None:
    async with receiving(500, 500) as one:
        await all_of(lab.sender(one, AUDIT))
        await lab.happen("1", "2")
        lab.now += 4 * DAY
        await lab.happen("3")
        await all_of(lab.sender(one, AUDIT))
    assert one.subjects() == "1 2 3"
    assert (await lab.cursor()).given_up == 2


async def test_each_threshold_is_told_once(lab: Lab) -> None:
    await lab.issue("1", NOW + 40 * DAY, "a")
    async with receiving() as one:
        sender = lab.sender(one, EXPIRING)
        await all_of(sender)
        assert one.got == []
        for _ in range(45):
            lab.now += DAY
            await all_of(sender)
            sender._looked.clear()
    assert [got.event["data"]["within"] for got in one.got] == ["30d", "7d", "1d"]
    assert one.types() == ["certificate.expiring"] * 3
    assert len({got.event["id"] for got in one.got}) == 3


async def test_a_hook_that_is_new_is_told_of_each_certificate_once(lab: Lab) -> None:
    for serial, days in (("1", 0.5), ("2", 5), ("3", 20), ("4", 60)):
        await lab.issue(serial, NOW + days * DAY, serial)
    async with receiving() as one:
        await all_of(lab.sender(one, EXPIRING))
    assert sorted((got.event["subject"], got.event["data"]["within"]) for got in one.got) == [
        ("1", "1d"),
        ("2", "7d"),
        ("3", "30d"),
    ]


async def test_what_was_renewed_or_revoked_is_not_told(lab: Lab) -> None:
    await lab.issue("1", NOW + 5 * DAY, "renewed")
    await lab.issue("2", NOW + 90 * DAY, "renewed")
    await lab.issue("3", NOW + 5 * DAY, "revoked")
    await lab.db.write(certificates.revoke("3", now=NOW, reason=0))
    await lab.issue("4", NOW + 5 * DAY, "left")
    async with receiving() as one:
        await all_of(lab.sender(one, EXPIRING))
    assert one.subjects() == "4"


async def test_short_certificates_are_not_told_of_when_they_are_issued(lab: Lab) -> None:
    async with receiving() as one:
        sender = lab.sender(one, EXPIRING)
        await all_of(sender)
        await lab.issue("1", NOW + 6 * DAY, "short")
        lab.now += 120
        await all_of(sender)
        assert one.got == []
        lab.now = NOW + 5.5 * DAY
        await all_of(sender)
    assert [got.event["data"]["within"] for got in one.got] == ["1d"]


async def test_many_that_end_in_one_second_are_told_page_by_page(lab: Lab) -> None:
    def fill() -> Steps[None]:
        for number in range(250):
            yield from certificates.insert(
                Certificate(f"{number:04x}", None, None, "valid", (f"{number}",), "00", NOW, NOW + DAY, NOW, b"der")
            )

    await lab.db.write(fill())
    async with receiving() as one:
        await all_of(lab.sender(one, Hook(events=("expiring",), expiring=(Seconds(2 * DAY),))))
    assert one.subjects() == " ".join(f"{number:04x}" for number in range(250))


async def test_the_cas_own_end_is_told_once_for_each_threshold(lab: Lab) -> None:
    ca = Ca.named("Lab Root CA")
    lab.own = [("root", ca.sign(ca, begin=NOW - DAY, days=101)), ("intermediate", ca.sign(ca, begin=NOW, days=20))]
    async with receiving() as one:
        sender = lab.sender(one, Hook(events=("ca-expiring",)))
        for _ in range(3):
            await all_of(sender)
            sender._looked.clear()
        assert [(got.event["data"]["certificate"], got.event["data"]["within"]) for got in one.got] == [
            ("intermediate", "30d")
        ]
        lab.now += 15 * DAY
        for _ in range(3):
            await all_of(sender)
            lab.now += 4000
            await all_of(sender)
            sender = lab.sender(one, Hook(events=("ca-expiring",)))
    assert [(got.event["data"]["certificate"], got.event["data"]["within"]) for got in one.got[1:]] == [
        ("root", "90d"),
        ("intermediate", "7d"),
    ]
    end = lab.own[0][1].not_valid_after_utc
    assert datetime.fromisoformat(one.got[1].event["data"]["not_after"]) == end.astimezone(UTC)


async def test_a_node_that_was_taken_for_gone_takes_nobody_back(lab: Lab, another: Opener) -> None:
    async with receiving() as one:
        slow, quick = lab.sender(one, AUDIT), lab.sender(one, AUDIT, db=await another())
        await all_of(slow)
        await lab.db.write(_free())
        await all_of(quick)
        await lab.happen("1")
        lab.now += 2
        # Both believe that they send: the event comes twice, and the one that writes later sees that it was moved.
        for sender in (slow, quick):
            await sender.round()
        lab.now += 70
        await slow._save()
        await quick._save()
        assert None in (slow._cursors, quick._cursors)
        cursor = await lab.cursor()
        assert cursor.position == "1"


async def test_one_node_sends(lab: Lab, another: Opener) -> None:
    async with receiving() as one:
        nodes = [lab.sender(one, AUDIT), lab.sender(one, AUDIT, db=await another(), process="two")]
        for sender in nodes:
            await all_of(sender)
        await lab.happen("1", "2")
        lab.now += 2
        for sender in nodes:
            await all_of(sender)
    assert set(one.subjects().split()) == {"1", "2"}
    if type(lab.db).__name__ != "SqliteDatabase":
        assert one.subjects() == "1 2"


def _free() -> Steps[None]:
    from zonemint.store import leases

    yield from leases.release("one")
