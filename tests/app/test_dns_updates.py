"""Which updates over DNS the zones of a server take, and which of them go to others, whatever a key may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import dns.tsig
import dns.update
import pytest
import pytest_asyncio

from tests.dns.asking import TCP, zone
from tests.dns.update.updating import ALL, FILE
from zonemint.app.base import Base
from zonemint.app.dns_updates import update_handler
from zonemint.app.dns_views import other_zones
from zonemint.app.txt_values import StoredValues
from zonemint.app.zone_transfers import ZoneTransfers
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir, Dns, View, ZoneSettings
from zonemint.core.clock import system_clock
from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Later, Ready, Stream
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.overlay import Edit
from zonemint.dns.zones.zone import Zone
from zonemint.store.sqlite import SqliteDatabase

ZONE, AUTH = "lab.test", "auth.lab.test"
CONFIG = Config(
    ZONE,
    dns=Dns(catalog="ours.invalid", allow_transfer=("any",)),
    zones={"corp.test": ZoneSettings(primaries=("127.0.0.1:1",)), "broken.test": ZoneSettings()},
    views={"guests": View(networks=("10.66.0.0/16",))},
)

GUEST = Client(bytes((10, 66, 0, 1)), 5300, Transport.TCP)


class Node:
    """A server's zones over a folder and what answers updates, without the server."""

    def __init__(self, data: DataDir, stack: AsyncExitStack) -> None:
        self.catalog = Catalog()
        self.catalogs = {"": self.catalog, "guests": Catalog(self.catalog)}
        db = SqliteDatabase(data.database)
        stack.push_async_callback(db.close)
        values = {AUTH: StoredValues(db, AUTH, 60.0, system_clock)}
        base = Base(CONFIG, data, db, system_clock, "127.0.0.1", stack)
        self.keeper = ZoneKeeper(self.catalogs, db, values, CONFIG, data, "127.0.0.1", system_clock)
        has_other = other_zones(CONFIG, self.catalogs)
        keys = {ALL.name: ALL}.get
        self.transfers = ZoneTransfers(base, self.catalog, self.keeper.journals, keys, has_other)
        self.handler = update_handler(base, self.catalog, self.keeper, keys, has_other)

    async def send(self, message: dns.update.UpdateMessage, client: Client = TCP) -> tuple[str, str]:
        """Return the rcode of an update that a key with all rights signs, and what is said of it."""
        message.use_edns(0)
        message.use_tsig(dns.tsig.Key(wire.name_to_text(ALL.name), ALL.secret, "hmac-sha256"))
        reply = self.handler(message.to_wire(), client)
        while isinstance(reply, Later):
            reply = await _told(reply)
        assert isinstance(reply, bytes)
        answer = dns.message.from_wire(reply, keyring=message.keyring, request_mac=message.mac)
        return dns.rcode.to_text(answer.rcode()), "".join(str(one) for one in answer.extended_errors())

    def transferred(self, zone: str, client: Client, type_: str) -> tuple[str, str]:
        """Return the rcode of a transfer, and what is said of it."""
        query = dns.message.make_query(zone, type_, use_edns=0)
        if type_ == "IXFR":
            soa = "ns1.lab.test. hostmaster.lab.test. 1 2 3 4 5"
            query.authority.append(dns.rrset.from_text(query.question[0].name, 0, "IN", "SOA", soa))
        reply = self.transfers.types[codes.type_from_text(type_)](query.to_wire(), client)
        first = next(reply.messages) if isinstance(reply, Stream) else reply
        assert isinstance(first, bytes)
        answer = dns.message.from_wire(first)
        return dns.rcode.to_text(answer.rcode()), "".join(str(one) for one in answer.extended_errors())

    def is_auth_served(self) -> bool:
        found = self.catalog.find(wire.name_from_text(f"x.{AUTH}"), codes.TXT)
        return found is not None and found.origin == AUTH


async def _told(later: Later) -> Ready:
    told: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    later.then(told.set_result)
    return await told


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    data = DataDir(tmp_path)
    data.zones.mkdir()
    data.zone_file("broken.test").write_text("www IN A nonsense\n")
    async with AsyncExitStack() as stack:
        one = Node(data, stack)
        await one.keeper.load()
        one.transfers.restore()
        yield one


@pytest.mark.parametrize(
    ("zone", "rcode", "why"),
    [
        ("corp.test", "REFUSED", "the records of corp.test are those of its primaries"),
        ("member.test", "REFUSED", "the records of member.test are those of its primaries"),
        ("ours.invalid", "REFUSED", "the records of ours.invalid are made by this server"),
        (AUTH, "REFUSED", f"the records of {AUTH} are those of the acme-dns API"),
        ("other.test", "NOTAUTH", "there is no zone other.test here"),
        ("broken.test", "SERVFAIL", "the records cannot be changed now"),
        (ZONE, "NOERROR", ""),
    ],
)
async def test_only_zones_that_are_filled_here_take_updates(node: Node, zone: str, rcode: str, why: str) -> None:
    """SERVFAIL says that it may be otherwise soon, and clients try again."""
    node.catalog.put(member())
    message = dns.update.UpdateMessage(zone)
    message.add("new", 60, "A", "192.0.2.9")
    said = await node.send(message)
    assert said[0] == rcode
    assert why in said[1]


@pytest.mark.parametrize(("name", "type_", "data"), [("auth", "NS", "ns1.other."), ("x.auth", "TXT", "value")])
async def test_no_update_gives_the_auth_zone_away(node: Node, name: str, type_: str, data: str) -> None:
    assert node.is_auth_served()
    message = dns.update.UpdateMessage(ZONE)
    message.add(name, 60, type_, data)
    rcode, why = await node.send(message)
    assert node.is_auth_served()
    assert rcode == "REFUSED"
    assert f"{name}.{ZONE} lies in {AUTH}" in why


async def test_what_others_put_beside_the_delegation_may_go(node: Node) -> None:
    await node.keeper.change(ZONE, lambda draft: [OTHER], actor="me", by="test")
    assert not node.is_auth_served()
    message = dns.update.UpdateMessage(ZONE)
    message.delete("auth", "NS", "ns1.other.")
    assert (await node.send(message))[0] == "NOERROR"
    assert node.is_auth_served()


@pytest.mark.parametrize("type_", ["AXFR", "IXFR"])
async def test_nobody_gets_another_zone_than_the_one_that_is_answered(node: Node, type_: str) -> None:
    node.catalogs["guests"].put(zone(FILE, ZONE))
    rcode, why = node.transferred(ZONE, GUEST, type_)
    assert rcode == "REFUSED"
    assert "your network's view has another zone of this name" in why
    assert node.transferred(ZONE, TCP, type_) == ("NOERROR", "")
    assert node.transferred("ours.invalid", GUEST, type_) == ("NOERROR", "")


async def test_nobody_changes_another_zone_than_the_one_that_is_answered(node: Node) -> None:
    node.catalogs["guests"].put(zone(FILE, ZONE))
    for client, expected in ((GUEST, "REFUSED"), (TCP, "NOERROR")):
        message = dns.update.UpdateMessage(ZONE)
        message.add("new", 60, "A", "192.0.2.9")
        rcode, why = await node.send(message, client)
        assert rcode == expected
        assert ("another zone in your network's view" in why) == (client is GUEST)


OTHER = Edit(True, wire.name_from_text(AUTH), codes.NS, 60, wire.name_from_text("ns1.other"))


def member() -> Zone:
    return zone(FILE, "member.test")
