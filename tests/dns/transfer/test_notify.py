"""NOTIFY, out to a server that dnspython speaks for, and in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
import pytest
from structlog.testing import capture_logs

from tests.dns.asking import TCP, UDP, zone
from zonemint.core.errors import ForeignDataError, StoreUnavailable
from zonemint.dns import tsig, wire
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.transfer import notify
from zonemint.dns.transfer.notify import Notified, Notifier, Peer
from zonemint.dns.zones.catalog import Catalog

KEY = tsig.Key(wire.name_from_text("n.key"), "hmac-sha256", b"k" * 32)
THEIRS = dns.tsig.Key("n.key", KEY.secret, "hmac-sha256")


class Secondary(asyncio.DatagramProtocol):
    """Hears notifications; `deaf` is how many it leaves without an answer first."""

    def __init__(self, deaf: int = 0, rcode: int = 0) -> None:
        self.deaf = deaf
        self.rcode = rcode
        self.heard: list[dns.message.Message] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = dns.message.from_wire(data, keyring={THEIRS.name: THEIRS})
        self.heard.append(message)
        if len(self.heard) <= self.deaf:
            return
        reply = dns.message.make_response(message)
        reply.set_rcode(dns.rcode.Rcode.make(self.rcode))
        self.transport.sendto(reply.to_wire(), addr)

    @property
    def serials(self) -> list[int]:
        return [message.answer[0][0].serial for message in self.heard]


@asynccontextmanager
async def telling(
    secondary: Secondary, key: bytes | None = None, keys: tsig.Keys = {KEY.name: KEY}.get
) -> AsyncIterator[tuple[Catalog, Notifier]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: secondary, local_addr=("127.0.0.1", 0))
    peer = Peer("127.0.0.1", transport.get_extra_info("sockname")[1], key)
    catalog = Catalog()
    catalog.put(zone())
    notifier = Notifier(catalog, lambda one: [peer], keys, time.time)
    notifier.begin()
    try:
        yield catalog, notifier
    finally:
        await notifier.close()
        transport.close()


async def until(holds: Any) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("key", [None, KEY.name])
async def test_a_server_is_told_at_the_start_and_of_every_new_serial(key: bytes | None) -> None:
    secondary = Secondary()
    async with telling(secondary, key) as (catalog, notifier):
        await until(lambda: secondary.serials == [7])
        (message,) = secondary.heard
        assert message.opcode() == dns.opcode.NOTIFY
        assert message.flags & dns.flags.AA
        assert str(message.question[0]) == "lab.test. IN SOA"
        assert message.had_tsig is (key is not None)
        await until(lambda: notifier.sent["heard"] == 1)
        served = catalog.get("lab.test")
        assert served is not None
        for serial in range(8, 30):
            served.put("www.lab.test", "TXT", 60, [f'"{serial}"'], serial=serial)
        # Many changes at once are one message.
        await until(lambda: secondary.serials[-1] == 29)
        assert len(secondary.heard) <= 3
        # What is no new serial is no news.
        count = len(secondary.heard)
        catalog.put(served)
        await asyncio.sleep(0.5)
        assert len(secondary.heard) == count


async def test_who_does_not_hear_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_TRIES", (0.1, 0.1, 0.1, 0.1))
    secondary = Secondary(deaf=3)
    async with telling(secondary) as (_, notifier):
        await until(lambda: notifier.sent["heard"] == 1)
        assert 3 < len(secondary.heard) < 8


async def test_who_never_hears_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_TRIES", (0.1, 0.1))
    secondary = Secondary(rcode=dns.rcode.NOTAUTH)
    async with telling(secondary) as (catalog, notifier):
        await until(lambda: notifier.sent["unheard"] == 1)
        assert not notifier._told
        catalog.remove("lab.test")


async def test_a_store_that_fails_for_a_while_costs_no_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_TRIES", (0.01,) * 5)
    failures = [StoreUnavailable("gone"), RuntimeError("a mistake")]

    def keys(name: bytes) -> tsig.Key | None:
        if failures:
            raise failures.pop()
        return KEY

    secondary = Secondary()
    with capture_logs() as logs:
        async with telling(secondary, KEY.name, keys) as (_, notifier):
            await until(lambda: notifier.sent["heard"] == 1)
    assert secondary.serials[-1] == 7
    assert [entry["log_level"] for entry in logs] == ["error", "warning"]


def notified(hints: list[str]) -> Any:
    return authenticated(
        {KEY.name: KEY}.get,
        Notified(
            lambda origin, client, key: origin == "lab.test" and (client is UDP or key == KEY), hints.append
        ).answer,
    )


def message(name: str = "lab.test", type_: str = "SOA") -> dns.message.QueryMessage:
    query = dns.message.make_query(name, type_)
    query.set_opcode(dns.opcode.NOTIFY)
    query.flags = dns.flags.AA | dns.opcode.to_flags(dns.opcode.NOTIFY)
    return query


def test_a_primary_is_heard_and_others_are_not() -> None:
    hints: list[str] = []
    handler = notified(hints)
    reply = dns.message.from_wire(handler(message().to_wire(), UDP))
    assert (reply.opcode(), reply.rcode()) == (dns.opcode.NOTIFY, dns.rcode.NOERROR)
    assert reply.flags & dns.flags.AA
    assert hints == ["lab.test"]
    assert dns.message.from_wire(handler(message().to_wire(), TCP)).rcode() == dns.rcode.NOTAUTH
    assert dns.message.from_wire(handler(message("other.test").to_wire(), UDP)).rcode() == dns.rcode.NOTAUTH
    assert dns.message.from_wire(handler(message(type_="TXT").to_wire(), UDP)).rcode() == dns.rcode.NOTIMP
    signed = message()
    signed.use_tsig(THEIRS)
    sent = signed.to_wire()
    assert dns.message.from_wire(handler(sent, TCP), keyring=THEIRS, request_mac=signed.mac or b"").rcode() == 0
    assert hints == ["lab.test"] * 2
    with pytest.raises(ForeignDataError):
        handler(message().to_wire()[:12], UDP)
