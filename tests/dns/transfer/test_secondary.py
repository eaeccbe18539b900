"""A secondary zone and its primary, both real servers of ours in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.dns.asking import LAB, zone
from tests.dns.transfer.test_outgoing import KEY, Lab, serving
from zonemint.dns import wire
from zonemint.dns.transfer.fetch import Primary
from zonemint.dns.transfer.incoming import Outcome
from zonemint.dns.transfer.notify import Peer
from zonemint.dns.transfer.secondary import Secondary
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.journal import Journals


class Follower:
    """A catalog with the zone as a primary at a port has it."""

    def __init__(self, *ports: int, key: bytes | None = None) -> None:
        self.now = time.time()
        self.catalog = Catalog()
        self.kept: list[bool] = []
        keys = {KEY.name: KEY}.get
        self.secondary = Secondary(
            "lab.test",
            [Primary(Peer("127.0.0.1", port, key), keys, time.time, limit=1 << 20) for port in ports],
            self.catalog,
            Journals(self.catalog),
            clock=lambda: self.now,
            kept=lambda one, is_new: self.kept.append(is_new),
        )

    def records(self) -> set[tuple[object, ...]]:
        served = self.catalog.get("lab.test")
        assert served is not None
        return {(one.name, one.ttl, one.type, one.data) for one in served.records()}


@asynccontextmanager
async def pair(*, key: bytes | None = None) -> AsyncIterator[tuple[Lab, Follower]]:
    lab = Lab(needs_key=key is not None)
    async with serving(lab) as port:
        yield lab, Follower(port, key=key)


@pytest.mark.parametrize("key", [None, KEY.name])
async def test_it_takes_the_zone_and_then_what_changed(key: bytes | None) -> None:
    async with pair(key=key) as (lab, follower):
        assert await follower.secondary.look()
        assert follower.records() == lab.records()
        lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
        lab.zone.put("www.lab.test", "A", 30, ["192.0.2.11"], serial=9)
        lab.zone.put("mail.lab.test", "A", 30, [], serial=10)
        assert await follower.secondary.look()
        assert follower.records() == lab.records()
        assert await follower.secondary.look()
        assert follower.secondary.transfers == {Outcome.WHOLE: 1, Outcome.CHANGES: 1, Outcome.CURRENT: 0}
        assert follower.kept == [True, True, False]


async def test_without_the_key_there_is_nothing_and_it_says_why() -> None:
    async with pair(key=KEY.name) as (_, good):
        port = good.secondary._primaries[0].peer.port
        follower = Follower(port)
        assert not await follower.secondary.look()
        assert f"primary 127.0.0.1:{port}: the transfer is answered REFUSED" in follower.secondary.failure
        # The next primary is asked.
        follower = Follower(1, port)
        follower.secondary._primaries = [follower.secondary._primaries[0], good.secondary._primaries[0]]
        assert await follower.secondary.look()


async def test_a_primary_that_is_behind_does_not_hide_the_others() -> None:
    behind, ahead = Lab(), Lab()
    async with serving(behind) as first, serving(ahead) as second:
        follower = Follower(first, second)
        assert await follower.secondary.look()
        ahead.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
        assert await follower.secondary.look()
        assert follower.records() == ahead.records()


async def test_a_primary_that_was_replaced_by_another_zone_is_followed_whole() -> None:
    async with pair() as (lab, follower):
        assert await follower.secondary.look()
        lab.catalog.put(zone(LAB.replace(" 7 3600", " 900 3600") + "more A 192.0.2.99\n"))
        assert await follower.secondary.look()
        assert follower.records() == lab.records()
        # One that goes back is not (RFC 1982).
        lab.catalog.put(zone())
        assert await follower.secondary.look()
        assert follower.catalog.get("lab.test").serial == 900  # type: ignore[union-attr]


async def test_it_runs_by_hints_and_expires() -> None:
    async with pair() as (lab, follower):
        task = asyncio.create_task(follower.secondary.run())
        try:
            await until(lambda: follower.catalog.get("lab.test") is not None)
            lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
            follower.secondary.hint()
            await until(lambda: follower.catalog.get("lab.test").serial == 8)  # type: ignore[union-attr]
            # The primary is gone, and the zone's time passes.
            follower.secondary._primaries = []
            follower.now += 86_401
            follower.secondary.hint()
            await until(lambda: follower.catalog.get("lab.test") is None)
            assert follower.catalog.find(wire.name_from_text("www.lab.test"), 1) is not None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_zone_that_comes_back_after_it_expired_tells_each_change_once() -> None:
    """Whoever follows it, such as a worker or a journal, would find that the second time it does not fit."""
    async with pair() as (lab, follower):
        deltas: list[Delta | None] = []
        task = asyncio.create_task(follower.secondary.run())
        try:
            await until(lambda: follower.catalog.get("lab.test") is not None)
            primaries, follower.secondary._primaries = follower.secondary._primaries, []
            follower.now += 86_401
            follower.secondary.hint()
            await until(lambda: follower.catalog.get("lab.test") is None)
            follower.secondary._primaries = primaries
            follower.secondary.hint()
            await until(lambda: follower.catalog.get("lab.test") is not None)
            follower.catalog.watch(lambda apex, delta: deltas.append(delta))
            lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
            follower.secondary.hint()
            await until(lambda: follower.catalog.get("lab.test").serial == 8)  # type: ignore[union-attr]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert [delta.new_serial for delta in deltas if delta is not None] == [8]


def test_a_copy_that_has_expired_is_ours_and_not_answered_from() -> None:
    """Else names in it would be asked of a zone above, or of servers of others (RFC 1034 section 4.3.5)."""
    follower = Follower(1)
    follower.secondary.restore(zone(), follower.now - 86_401)
    assert follower.catalog.get("lab.test") is None
    assert follower.catalog.find(wire.name_from_text("www.lab.test"), 1) is not None


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
