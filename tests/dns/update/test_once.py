from __future__ import annotations

import asyncio

import dns.rcode
import dns.tsig
import dns.update

from tests.dns.asking import TCP, UDP
from tests.dns.update.updating import ALL, Primary, update
from zonemint.core.errors import StoreUnavailable
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Later, Ready
from zonemint.dns.answers.signed import authenticated
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
    return signed(message)


def signed(message: dns.update.UpdateMessage) -> bytes:
    message.use_tsig(dns.tsig.Key("host.key", bytes(32), "hmac-sha256"))
    return message.to_wire()


def once_of(primary: Primary, *, remembered: int = 1024) -> Once:
    return Once(authenticated({ALL.name: ALL}.get, primary.updates), remembered=remembered)


async def test_a_message_that_comes_again_is_made_once() -> None:
    """Its prerequisite does not hold any more then, and the client would believe that it failed."""
    primary = Primary()
    once = once_of(primary)
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


async def test_no_other_id_or_letter_case_makes_it_another_message() -> None:
    """Neither is signed, so whoever has seen a message can play it again in that form as long as its time is good."""
    primary = Primary()
    once = once_of(primary)
    message = update()
    message.add("x", 60, "A", "192.0.2.1")
    first = signed(message)
    again = bytes((first[0] ^ 255, first[1])) + first[2:].replace(b"\4host\3key", b"\4HOST\3key")
    assert again[2:] != first[2:]
    assert await sent(once, first) == dns.rcode.NOERROR
    undo = update()
    undo.delete("x")
    assert await sent(once, signed(undo)) == dns.rcode.NOERROR
    reply = once(again, UDP)
    told: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    assert isinstance(reply, Later)
    reply.then(told.set_result)
    answer = await told
    assert isinstance(answer, bytes)
    assert answer[:2] == again[:2]
    assert answer[3] & 15 == dns.rcode.NOERROR
    assert primary.changes == 2


async def test_the_oldest_are_forgotten() -> None:
    primary = Primary()
    once = once_of(primary, remembered=2)
    first = adding("a")
    for message in (first, adding("b"), adding("c")):
        assert await sent(once, message) == dns.rcode.NOERROR
    assert await sent(once, first) == dns.rcode.YXDOMAIN


async def test_what_came_to_nothing_is_tried_again() -> None:
    primary = Primary()
    once = once_of(primary)
    primary.failure = StoreUnavailable("gone")
    message = adding("x")
    assert await sent(once, message) == dns.rcode.SERVFAIL
    primary.failure = None
    assert await sent(once, message) == dns.rcode.NOERROR
