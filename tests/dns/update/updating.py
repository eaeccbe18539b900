"""A zone in memory that takes updates, and dnspython's messages to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import dns.message
import dns.rcode
import dns.update

from tests.dns.asking import TCP, UDP, zone
from zonemint.core.errors import UpdateRefused, ZonemintError
from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Later, Ready
from zonemint.dns.rights import NamePattern, Rights
from zonemint.dns.tsig import Key
from zonemint.dns.update.handler import Updates
from zonemint.dns.zones.overlay import Draft, Edit, Overlay

__all__ = ["ALL", "ORIGIN", "Primary", "key", "update"]

ORIGIN = "lab.test"
FILE = """\
$TTL 300
@    SOA ns1 hostmaster 7 3600 600 86400 60
@    NS  ns1
ns1  A   192.0.2.1
file A   192.0.2.2
both TXT "file"
*.w  A   192.0.2.3
a.b  A   192.0.2.4
"""


def key(*names: str, types: tuple[str, ...] = (), zones: tuple[str, ...] = ()) -> Key:
    patterns = tuple(map(NamePattern.read, names))
    numbers = frozenset(map(codes.type_from_text, types))
    rights = Rights(patterns, numbers, frozenset(map(wire.name_from_text, zones)))
    return Key(wire.name_from_text("host.key"), "hmac-sha256", bytes(32), rights)


ALL = key("*")


def update(zone: str = ORIGIN) -> dns.update.UpdateMessage:
    return dns.update.UpdateMessage(zone)


class Primary:
    """A zone of a file, and what updates made of it; `gate` holds changes back, `changes` counts those made."""

    def __init__(self, text: str = FILE) -> None:
        self.zone = zone(text, ORIGIN)
        self.overlay = Overlay()
        self.gate = asyncio.Event()
        self.gate.set()
        self.changes = 0
        self.failure: ZonemintError | None = None
        self.updates = Updates(self._check, self._change)

    def _check(self, apex: bytes, client: Client) -> None:
        if apex != self.zone.apex:
            raise UpdateRefused(codes.NOTAUTH, "not ours")

    async def _change(self, apex: bytes, decide: Callable[[Draft], list[Edit]], key: Key) -> None:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        draft = Draft(self.zone, self.overlay)
        if draft.edit(decide(draft)):
            self.zone.apply(draft.changes, self.zone.serial + 1)
            self.overlay.take(draft)
            self.changes += 1

    def send(self, message: bytes, client: Client = TCP, key: Key | None = ALL) -> asyncio.Future[Ready]:
        told: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        reply = self.updates(message, client, key)
        if isinstance(reply, Later):
            reply.then(told.set_result)
        else:
            told.set_result(reply)
        return told

    async def answer(self, message: dns.message.Message, key: Key | None = ALL) -> dns.message.Message:
        reply = await self.send(message.to_wire(), UDP, key)
        assert isinstance(reply, bytes)
        read = dns.message.from_wire(reply)
        assert message.is_response(read)
        return read

    async def rcode(self, message: dns.message.Message, key: Key | None = ALL) -> str:
        return dns.rcode.to_text((await self.answer(message, key)).rcode())

    def lines(self) -> list[str]:
        """Return the records but the SOA, owners relative to the zone."""
        records = [one for one in self.zone.records() if one.type != "SOA"]
        return sorted(f"{one.name.removesuffix(f'.{ORIGIN}')} {one.ttl} {one.type} {one.data}" for one in records)
