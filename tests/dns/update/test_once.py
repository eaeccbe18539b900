from __future__ import annotations

import asyncio

import dns.rcode

from tests.dns.asking import TCP, UDP
from tests.dns.update.updating import ALL, Primary, update
from zonemint.core.errors import StoreUnavailable
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Later, Ready
from zonemint.dns.update.once import Once


async def sent(once: Once, message: bytes, client: Client = UDP) -> int:
    told: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    reply = once(message, client)
    if isinstance(reply, Later):
        reply.then(told.set_result)
        reply = await told
    assert isinstance(reply, bytes)
    return reply[3] & 15


def adding(name: str) -> bytes:
    message = update()
    message.absent(name)
    message.add(name, 60, "A", "192.0.2.1")
    return message.to_wire()


async def test_a_message_that_comes_again_is_made_once() -> None:
    """Its prerequisite does not hold any more then, and the client would believe that it failed."""
    primary = Primary()
    once = Once(lambda message, client: primary.updates(message, client, ALL))
    message = adding("x")
    primary.gate.clear()
    waiting = [asyncio.create_task(sent(once, message)) for _ in range(3)]
    await asyncio.sleep(0)
    primary.gate.set()
    assert await asyncio.gather(*waiting) == [dns.rcode.NOERROR] * 3
    assert await sent(once, message) == dns.rcode.NOERROR
    assert await sent(once, message, TCP) == dns.rcode.NOERROR
    assert primary.changes == 1
    assert await sent(once, adding("x")) == dns.rcode.YXDOMAIN


async def test_the_oldest_are_forgotten() -> None:
    primary = Primary()
    once = Once(lambda message, client: primary.updates(message, client, ALL), remembered=2)
    first = adding("a")
    for message in (first, adding("b"), adding("c")):
        assert await sent(once, message) == dns.rcode.NOERROR
    assert await sent(once, first) == dns.rcode.YXDOMAIN


async def test_what_came_to_nothing_is_tried_again() -> None:
    primary = Primary()
    once = Once(lambda message, client: primary.updates(message, client, ALL))
    primary.failure = StoreUnavailable("gone")
    message = adding("x")
    assert await sent(once, message) == dns.rcode.SERVFAIL
    primary.failure = None
    assert await sent(once, message) == dns.rcode.NOERROR
