"""Random zones, from memory and anew, whole and by UDP, asked well and badly."""

from __future__ import annotations

import random
from collections.abc import Iterator

import dns.message
import pytest

from tests.dns.asking import answer
from tests.dns.differential.replies import Reply, read
from tests.dns.differential.worlds import World, ask_about, make_world
from tests.thorough import examples
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers import faults
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import RRset
from zonemint.dns.zones.zone import Zone

WORLDS = 6
TYPES = ["A", "AAAA", "TXT", "MX", "NS", "DS", "CNAME", "DNAME", "SVCB", "SRV"]


def build(world: World) -> list[Zone]:
    return [Zone.build(origin, zonefile.parse(text, origin, file=origin)) for origin, text in world.zones.items()]


@pytest.fixture(autouse=True)
def no_mistakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a responder would tell of, and go on, shall stop a test."""
    told: list[dict[str, str]] = []
    monkeypatch.setattr(faults, "tell", lambda **facts: told.append(facts))
    yield
    assert not told


def made(seed: int) -> tuple[random.Random, list[World], Catalog]:
    rng = random.Random(seed)
    worlds = [make_world(rng, number) for number in range(WORLDS)]
    catalog = Catalog()
    for world in worlds:
        for zone in build(world):
            catalog.put(zone)
    return rng, worlds, catalog


def changed(rng: random.Random, worlds: list[World], catalog: Catalog) -> str:
    """Change something: a record set, several at once, or which zones there are. Return what was tried."""
    world = rng.choice(worlds)
    if rng.random() < 0.1:
        origin = rng.choice(list(world.zones))
        if rng.random() < 0.5:
            catalog.remove(origin)
            return f"{origin} goes"
        catalog.put(Zone.build(origin, zonefile.parse(world.zones[origin], origin, file=origin)))
        return f"{origin} comes"
    zones = [zone for origin in world.zones if (zone := catalog.get(origin)) is not None]
    if not zones:
        return "nothing"
    zone = rng.choice(zones)
    changes: dict[tuple[bytes, int], RRset | None] = {}
    for _ in range(rng.choice([1, 1, 3])):
        name = rng.choice(world.names)
        name = rng.choice([name, f"{rng.choice('abc*')}.{name}", name.partition(".")[2] or name])
        type_ = codes.type_from_text(rng.choice(TYPES))
        try:
            owner = wire.name_from_text(name)
        except ConfigError:
            continue
        target = rng.choice(world.names)
        texts = {codes.A: "192.0.2.200", codes.AAAA: "2001:db8::c8", codes.TXT: '"changed"', codes.MX: f"5 {target}"}
        texts |= {codes.DS: f"7 13 2 {'ef' * 32}", codes.SVCB: "1 .", codes.SRV: f"0 0 1 {target}"}
        data = rdata.from_text(type_, texts.get(type_, target))
        changes[owner, type_] = RRset(type_, rng.choice([5, 50]), (data,)) if rng.random() < 0.6 else None
    try:
        zone.apply(changes, zone.serial + 1)
    except ConfigError as refusal:
        return f"{zone.origin} refuses: {refusal}"
    return f"{zone.origin}: {changes}"


@pytest.mark.parametrize("seed", range(examples(3)))
def test_what_is_remembered_is_what_would_be_said_anew(seed: int) -> None:
    """After each change, whatever it touches: a wildcard, a cut, a zone between, the address of a host elsewhere."""
    rng, worlds, catalog = made(seed)
    warm = Responder(catalog)
    asked = [ask_about(rng, worlds).message().to_wire() for _ in range(60)]
    for _ in range(120):
        for message in asked:
            answer(warm, message)
        change = changed(rng, worlds, catalog)
        fresh = Responder(catalog)
        for message in asked:
            assert answer(warm, message) == answer(fresh, message), f"{change}: {dns.message.from_wire(message)}"
        asked[rng.randrange(len(asked))] = ask_about(rng, worlds).message().to_wire()


def test_udp_says_what_tcp_says_as_far_as_it_fits() -> None:
    rng, worlds, catalog = made(77)
    server = Responder(catalog)
    truncated = 0
    for _ in range(examples(3000)):
        question = ask_about(rng, worlds)
        query = question.message()
        by_udp, by_tcp = (said(server, query, tcp=tcp) for tcp in (False, True))
        assert by_udp.size <= min(1232, max(512, question.payload or 0)), question
        assert not by_tcp.truncated, question
        assert (by_udp.rcode, by_udp.authoritative) == (by_tcp.rcode, by_tcp.authoritative), question
        if by_udp.truncated:
            truncated += 1
            assert not [*by_udp.answer, *by_udp.authority, *by_udp.additional], question
            continue
        assert (by_udp.answer, by_udp.authority) == (by_tcp.answer, by_tcp.authority), question
        assert by_udp.additional <= by_tcp.additional, question
        assert not by_tcp.repeats, question
    assert truncated > 10


def said(server: Responder, query: dns.message.QueryMessage, *, tcp: bool) -> Reply:
    reply = answer(server, query.to_wire(), tcp=tcp)
    assert reply is not None
    return read(reply, query)


def test_mutated_questions_are_answered_well_or_not_at_all() -> None:
    rng, worlds, catalog = made(99)
    server = Responder(catalog)
    silent = 0
    for _ in range(examples(6000)):
        message = mutated(rng, ask_about(rng, worlds).message().to_wire())
        for tcp in (False, True):
            reply = answer(server, message, tcp=tcp)
            if reply is None:
                assert len(message) < 12 or message[2] & 0x80
                silent += 1
                continue
            assert reply[:2] == message[:2]
            assert reply[2] & 0x80
            assert reply[2] & 0x78 == message[2] & 0x78
            assert tcp or len(reply) <= 1232
            parsed = dns.message.from_wire(reply)
            if parsed.question:
                end = 12 + len(parsed.question[0].name.to_wire() or b"") + 4
                assert reply[12:end] == message[12:end]
            # What was answered is not answered again.
            assert answer(server, reply, tcp=tcp) is None
    assert silent > 100


def mutated(rng: random.Random, message: bytes) -> bytes:
    data = bytearray(message)
    for _ in range(rng.choice([1, 1, 2, 5])):
        match rng.randrange(6):
            case 0:
                data[rng.randrange(len(data))] = rng.randrange(256)
            case 1:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 2 if len(data) > 1:
                del data[rng.randrange(1, len(data)) :]
            case 3:
                data += rng.randbytes(rng.randrange(1, 12))
            case 4:
                at = rng.randrange(len(data))
                data[at:at] = rng.choice([b"\xc0\x0c", b"\0", b"\x3f", b"\0\0\x29\x10\0\0\0\0\0\0\0"])
            case _:
                at = min(rng.randrange(2, 12), len(data) - 1)
                data[at] = rng.choice([0, 1, 2, 255])
    return bytes(data)
