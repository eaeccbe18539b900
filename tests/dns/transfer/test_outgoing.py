"""AXFR and IXFR out, read by dnspython."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.versioned
import dns.xfr
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import LAB, TCP, UDP, auth_zone, zone
from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, tsig, wire
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services, Stream
from zonemint.dns.answers.signed import authenticated, signing
from zonemint.dns.answers.views import Views
from zonemint.dns.answers.writer import Writer
from zonemint.dns.server import DnsServer
from zonemint.dns.transfer.outgoing import Transfers
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals

KEY = tsig.Key(wire.name_from_text("xfr.key"), "hmac-sha256", b"s" * 32)
THEIRS = dns.tsig.Key("xfr.key", KEY.secret, "hmac-sha256")


class Lab:
    """A catalog with two zones, and who may have them."""

    def __init__(self, *, needs_key: bool = False) -> None:
        self.catalog = Catalog()
        self.catalog.put(zone())
        self.catalog.put(auth_zone({"one": ["value"]}.get))
        self.journals = Journals(self.catalog)
        self.journals.keep("lab.test")
        self.transfers = Transfers(
            self.catalog,
            self.journals,
            may=lambda origin, client, key: key == KEY if needs_key else True,
        )
        self.handler = authenticated({KEY.name: KEY}.get, self.transfers.answer)

    @property
    def zone(self) -> Any:
        return self.catalog.get("lab.test")

    def ask(self, message: bytes, client: Client = TCP) -> list[bytes]:
        reply = self.handler(message, client)
        if isinstance(reply, Stream):
            return list(reply.messages)
        assert isinstance(reply, bytes)
        return [reply]

    def records(self) -> set[tuple[Any, ...]]:
        return {(one.name, one.ttl, one.type, one.data) for one in self.zone.records()}


@asynccontextmanager
async def serving(lab: Lab) -> AsyncIterator[int]:
    services = Services(types={codes.AXFR: lab.handler, codes.IXFR: lab.handler}, signing=signing({KEY.name: KEY}.get))
    server = DnsServer(Views(Responder(lab.catalog, services)))
    await server.start(["127.0.0.1"], 0)
    try:
        yield server.port
    finally:
        await server.close()


def copied(copy: dns.zone.Zone) -> set[tuple[Any, ...]]:
    """Return the records of dnspython's zone, as ours are."""
    found = set()
    for name, ttl, rdata in copy.iterate_rdatas():
        text = str(name.derelativize(copy.origin)).removesuffix(".").lower()  # type: ignore[arg-type]
        found.add((text, ttl, dns.rdatatype.to_text(rdata.rdtype), rdata.to_text(copy.origin, relativize=False)))
    return found


async def follow(port: int, copy: dns.zone.Zone, **words: Any) -> None:
    await dns.asyncquery.inbound_xfr("127.0.0.1", copy, port=port, timeout=20, **words)


def empty() -> dns.zone.Zone:
    return dns.versioned.Zone("lab.test", relativize=False)


async def test_a_secondary_has_the_zone_and_then_its_changes() -> None:
    lab, copy = Lab(), empty()
    async with serving(lab) as port:
        await follow(port, copy)
        assert copied(copy) == lab.records()
        lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
        lab.zone.put("www.lab.test", "A", 300, ["192.0.2.11"], serial=9)
        lab.zone.put("mail.lab.test", "A", 30, ["192.0.2.3"], serial=10)
        lab.zone.put("alias.lab.test", "CNAME", 60, [], serial=11)
        await follow(port, copy)
        assert copied(copy) == lab.records()
        assert lab.transfers.sent == {"AXFR": 1, "IXFR": 1, "current": 0, "refused": 0}
        # It asks over UDP first; what fits is the answer there.
        lab.zone.put("new.lab.test", "A", 60, [], serial=12)
        await follow(port, copy, udp_mode=dns.query.UDPMode.ONLY)
        assert copied(copy) == lab.records()
        assert lab.transfers.sent["IXFR"] == 2


async def test_with_tsig_every_message_is_signed_and_without_it_is_refused() -> None:
    lab = Lab(needs_key=True)
    for number in range(3000):
        lab.zone.apply({(wire.name_from_text(f"h{number}.lab.test"), codes.TXT): None}, 7)
    async with serving(lab) as port:
        copy = empty()
        query, _ = dns.xfr.make_query(copy, keyring=THEIRS)
        await follow(port, copy, query=query)
        assert copied(copy) == lab.records()
        with pytest.raises(dns.xfr.TransferError) as refused:
            await follow(port, empty())
        assert refused.value.rcode == dns.rcode.REFUSED


def test_large_zones_take_many_messages_and_large_records_fit() -> None:
    lab = Lab()
    for number in range(2000):
        lab.zone.put(f"host-{number}.lab.test", "A", 60, ["192.0.2.1"], serial=8 + number)
    lab.zone.put("big.lab.test", "TXT", 60, [" ".join(['"' + "x" * 250 + '"'] * 250)], serial=3001)
    messages = lab.ask(dns.message.make_query("lab.test", "AXFR").to_wire())
    assert len(messages) > 4
    sizes = sorted(map(len, messages))
    assert sizes[-2] < 17_000
    assert sizes[-1] < 65_536
    count = sum(
        len(rrset) for one in messages for rrset in dns.message.from_wire(one, xfr=True, one_rr_per_rrset=True).answer
    )
    assert count == len(lab.records()) + 1


def test_a_transfer_is_of_one_moment() -> None:
    lab = Lab()
    for number in range(3000):
        lab.zone.put(f"host-{number}.lab.test", "A", 60, ["192.0.2.1"], serial=8 + number)
    before = lab.records()
    reply = lab.handler(dns.message.make_query("lab.test", "AXFR").to_wire(), TCP)
    assert isinstance(reply, Stream)
    got = [next(reply.messages)]
    for number in range(3000):
        lab.zone.put(f"host-{number}.lab.test", "A", 60, [], serial=4000 + number)
    got += reply.messages
    copy = empty()
    with dns.xfr.Inbound(copy, dns.rdatatype.AXFR) as inbound:
        for one in got:
            done = inbound.process_message(dns.message.from_wire(one, xfr=True, one_rr_per_rrset=True))
    assert done
    assert copied(copy) == before


def ixfr(serial: int, *, key: dns.tsig.Key | None = None) -> bytes:
    query = dns.message.make_query("lab.test", "IXFR")
    query.authority.append(dns.rrset.from_text("lab.test.", 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
    if key:
        query.use_tsig(key)
    return query.to_wire()


def types(messages: list[bytes]) -> list[str]:
    return [
        dns.rdatatype.to_text(rrset.rdtype)
        for one in messages
        for rrset in dns.message.from_wire(one, xfr=True, one_rr_per_rrset=True).answer
    ]


def test_ixfr_says_nothing_is_new_or_falls_back_to_the_whole_zone() -> None:
    lab = Lab()
    for serial in (7, 8, 7 + 0x7FFFFFFF):
        assert types(lab.ask(ixfr(serial))) == ["SOA"], serial
    # A serial that the journal does not reach, one from before a reload, and one whose changes are more than the zone.
    assert len(lab.ask(ixfr(3))) == 1
    assert types(lab.ask(ixfr(3))).count("SOA") == 2
    assert types(lab.ask(ixfr(3)))[-1] == "SOA"
    for serial in range(8, 8 + 200):
        lab.zone.put("www.lab.test", "TXT", 60, [f'"{serial}"'], serial=serial)
    assert types(lab.ask(ixfr(7))).count("SOA") == 2
    assert types(lab.ask(ixfr(205))) == ["SOA", *["SOA", "TXT", "SOA", "TXT"] * 2, "SOA"]
    lab.catalog.put(zone(LAB.replace(" 7 3600", " 900 3600")))
    assert types(lab.ask(ixfr(207))).count("SOA") == 2


def test_over_udp_what_does_not_fit_is_the_soa_alone() -> None:
    lab = Lab()
    for serial in range(8, 60):
        lab.zone.put(f"h{serial}.lab.test", "TXT", 60, [f'"{serial}"'], serial=serial)
    assert types(lab.ask(ixfr(7), UDP)) == ["SOA"]
    assert len(types(lab.ask(ixfr(58), UDP))) == 5
    assert lab.ask(dns.message.make_query("lab.test", "AXFR").to_wire(), UDP)[0][3] & 15 == codes.REFUSED


def test_what_cannot_be_had_is_refused() -> None:
    lab = Lab(needs_key=True)
    for name, rcode in (("lab.test", codes.REFUSED), ("auth.lab.test", codes.REFUSED), ("a.lab.test", codes.NOTAUTH)):
        (reply,) = lab.ask(dns.message.make_query(name, "AXFR").to_wire())
        assert reply[3] & 15 == rcode, name
        assert not dns.message.from_wire(reply).answer
    # With a key that is good for nothing here, the refusal is signed.
    query = dns.message.make_query("auth.lab.test", "AXFR")
    query.use_tsig(THEIRS)
    (reply,) = lab.ask(query.to_wire())
    assert dns.message.from_wire(reply, keyring=THEIRS, request_mac=query.mac or b"").had_tsig
    # A wrong signature is told as RFC 8945 has it.
    query.use_tsig(dns.tsig.Key("xfr.key", b"wrong", "hmac-sha256"))
    (reply,) = lab.ask(query.to_wire())
    assert dns.message.from_wire(reply, keyring=False, continue_on_error=True).tsig_error == tsig.BADSIG
    assert lab.transfers.sent["refused"] == 4


def test_no_more_than_some_at_once() -> None:
    lab = Lab()
    message = dns.message.make_query("lab.test", "AXFR").to_wire()
    for number in range(3000):
        lab.zone.put(f"host-{number}.lab.test", "A", 60, ["192.0.2.1"], serial=8 + number)
    streams = []
    for _ in range(16):
        reply = lab.handler(message, TCP)
        assert isinstance(reply, Stream)
        next(reply.messages)
        streams.append(reply)
    (refused,) = lab.ask(message)
    assert refused[3] & 15 == codes.REFUSED
    # One whose client went away gives its place back.
    streams.pop()
    del reply
    assert len(lab.ask(message)) > 1


def test_those_that_have_not_begun_hold_nothing_and_are_counted_when_they_begin() -> None:
    """One connection may ask for many, and many connections in one turn; each would be the whole zone in memory."""
    lab = Lab()
    for number in range(3000):
        lab.zone.put(f"host-{number}.lab.test", "A", 60, ["192.0.2.1"], serial=8 + number)
    message = dns.message.make_query("lab.test", "AXFR").to_wire()
    replies = [lab.handler(message, TCP) for _ in range(20)]
    lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=4000)
    begun = [next(reply.messages) for reply in replies if isinstance(reply, Stream)]
    assert [one[3] & 15 for one in begun] == [codes.NOERROR] * 16 + [codes.REFUSED] * 4
    assert dns.message.from_wire(begun[0], xfr=True).answer[0][0].serial == 4000


def test_over_udp_no_more_changes_are_written_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose address may be forged costs us no more than another question."""
    lab = Lab()
    for serial in range(8, 3000):
        lab.zone.put(f"h{serial}.lab.test", "TXT", 60, [f'"{serial}"'], serial=serial)
    written = 0
    record = Writer.record

    def counted(*args: Any) -> None:
        nonlocal written
        written += 1
        record(*args)

    monkeypatch.setattr(Writer, "record", counted)
    assert types(lab.ask(ixfr(7), UDP)) == ["SOA"]
    assert written < 1000


async def test_a_client_that_goes_away_gives_its_place_back() -> None:
    lab = Lab()
    address = lab.zone.rrset(wire.name_from_text("www.lab.test"), codes.A)
    lab.zone.apply({(wire.name_from_text(f"host-{one}.lab.test"), codes.A): address for one in range(20_000)}, 8)
    async with serving(lab) as port:
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            message = dns.message.make_query("lab.test", "AXFR").to_wire()
            writer.write(len(message).to_bytes(2, "big") + message)
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.transport.abort()
            await asyncio.sleep(0.01)
        assert lab.transfers._active == 0


@given(st.binary(max_size=60), st.integers(0, 100), st.sampled_from([0, 1, 2]))
def test_messages_of_any_kind_get_one_answer(noise: bytes, at: int, which: int) -> None:
    lab = Lab()
    good = [ixfr(3), ixfr(3, key=THEIRS), dns.message.make_query("lab.test", "AXFR").to_wire()][which]
    at = 12 + at % (len(good) - 11)
    for client in (TCP, UDP):
        try:
            replies = lab.ask(good[:at] + noise + good[at:], client)
        except ForeignDataError:
            continue
        for reply in replies:
            assert reply[:2] == good[:2]
            assert reply[2] & 0x80


def test_changes_end_as_they_began_whatever_becomes_of_the_zone_meanwhile() -> None:
    lab = Lab()
    lab.zone.put("new.lab.test", "A", 60, ["192.0.2.77"], serial=8)
    reply = lab.handler(ixfr(7), TCP)
    assert isinstance(reply, Stream)
    lab.zone.put("new.lab.test", "A", 60, ["192.0.2.78"], serial=9)
    rows = [rdata for message in reply.messages for rrset in dns.message.from_wire(message).answer for rdata in rrset]
    serials = [one.serial for one in rows if one.rdtype == dns.rdatatype.SOA]
    assert (serials[0], serials[-1]) == (8, 8)
    assert "192.0.2.78" not in map(str, rows)


def test_who_may_not_is_told_why() -> None:
    lab = Lab(needs_key=True)
    (said,) = lab.ask(dns.message.make_query("lab.test", "AXFR", use_edns=0).to_wire())
    assert "Prohibited" in str(dns.message.from_wire(said).options[0])
    lab = Lab()
    (said,) = lab.ask(dns.message.make_query("auth.lab.test", "AXFR", use_edns=0).to_wire())
    reply = dns.message.from_wire(said)
    assert reply.rcode() == dns.rcode.REFUSED
    assert "delegate it to this server" in str(reply.options[0])
