"""The same questions asked of us and of the others, and what is said differently."""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.name
import dns.rdatatype

from tests.dns.asking import answer
from tests.dns.differential.differences import explain
from tests.dns.differential.replies import Reply, read
from tests.dns.differential.servers import oracles
from tests.dns.differential.signer import DENIALS, sign
from tests.dns.differential.worlds import Question, ask_about, make_world
from zonemint.dns import codes
from zonemint.dns.answers.compiled import UDP_SIZE
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

__all__ = ["Findings", "compare"]

_PATIENCE = 10.0


@dataclass
class Findings:
    """explained: how often each difference was seen, by its name; unexplained: texts; kinds: what replies were like."""

    asked: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    kinds: Counter[tuple[str, ...]] = field(default_factory=Counter)


class _Ours:
    """Our answers, from a catalog of all zones or of one."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self.catalog = Catalog()
        self._alone: dict[str, Responder] = {}
        for origin, text in zones.items():
            self.catalog.put(Zone.build(origin, zonefile.parse(text, origin, file=origin)))
        self.all = Responder(self.catalog)

    def alone(self, origin: str) -> Responder:
        """Return who answers from one zone, given with its final dot."""
        if origin not in self._alone:
            zone = self.catalog.get(origin)
            assert zone is not None
            (catalog := Catalog()).put(Zone.build(zone.origin, zone.records()))
            self._alone[origin] = Responder(catalog)
        return self._alone[origin]


def _reply(responder: Responder, query: dns.message.QueryMessage, *, tcp: bool) -> Reply:
    reply = answer(responder, query.to_wire(), tcp=tcp)
    assert reply is not None
    return read(reply, query)


def _wire(name: str) -> bytes:
    wire = dns.name.from_text(name).canonicalize().to_wire()
    assert wire is not None
    return wire


class _Case:
    """What the rules want to know; see differences.Case."""

    def __init__(self, ours: _Ours, question: Question, query: dns.message.QueryMessage, *, tcp: bool) -> None:
        self.question = question
        self.limit = 0xFFFF if tcp else min(UDP_SIZE, max(512, question.payload or 0))
        self.origins: Sequence[str] = [zone.origin + "." for zone in ours.catalog.zones()]
        self._ours = ours
        self._query = query
        self._tcp = tcp

    def has(self, origin: str, name: str) -> bool:
        zone = self._ours.catalog.get(origin)
        return zone is not None and _wire(name) in zone.nodes

    def zone_of(self, name: str, type_: str) -> str | None:
        zone = self._ours.catalog.find(_wire(name), codes.type_from_text(type_))
        return None if zone is None else zone.origin + "."

    def ask(self, name: str, type_: str) -> Reply:
        return _reply(self._ours.all, self._about(name, type_), tcp=True)

    def ask_alone(self, name: str, type_: str) -> Reply:
        return _reply(self._home(), self._about(name, type_), tcp=True)

    def _about(self, name: str, type_: str) -> dns.message.QueryMessage:
        return dns.message.make_query(name, type_, want_dnssec=self.question.dnssec_ok)

    def alone(self) -> Reply:
        return _reply(self._home(), self._query, tcp=self._tcp)

    def _home(self) -> Responder:
        origin = self.zone_of(self.question.name, self.question.type)
        return self._ours.all if origin is None else self._ours.alone(origin)


class _Theirs:
    """Another server, by UDP and over one connection."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.settimeout(_PATIENCE)
        self._udp.connect(self._address)

    def close(self) -> None:
        self._udp.close()

    def send(self, message: bytes) -> None:
        self._udp.send(message)

    def receive(self) -> bytes:
        return self._udp.recv(0xFFFF)

    def ask_by_tcp(self, message: bytes) -> bytes:
        with socket.create_connection(self._address, _PATIENCE) as connection, connection.makefile("rb") as replies:
            connection.sendall(struct.pack("!H", len(message)) + message)
            (size,) = struct.unpack("!H", replies.read(2))
            return replies.read(size)


@contextmanager
def _others(folder: Path, zones: Mapping[str, str]) -> Iterator[dict[str, _Theirs]]:
    with oracles(folder, zones) as ports:
        others = {who: _Theirs(port) for who, port in ports.items()}
        try:
            yield others
        finally:
            for other in others.values():
                other.close()


def compare(folder: Path, *, seed: int, worlds: int, signed: int, questions: int, most: int = 20) -> Findings:
    """Ask questions about random zones, so many of them signed; stop when there are `most` unexplained differences."""
    rng = random.Random(seed)
    made = [make_world(rng, number) for number in range(worlds)]
    zones = {origin: text for world in made[signed:] for origin, text in world.zones.items()}
    for number, world in enumerate(made[:signed]):
        for origin, text in world.zones.items():
            zones[origin] = sign(folder / origin, origin, text, list(DENIALS)[number % len(DENIALS)])
    ours = _Ours(zones)
    findings = Findings()
    with _others(folder, zones) as others:
        while findings.asked < questions and len(findings.unexplained) < most:
            _ask_all(ours, others, ask_about(rng, made), findings)
    return findings


def _ask_all(ours: _Ours, others: Mapping[str, _Theirs], question: Question, findings: Findings) -> None:
    """Ask one question by UDP, and by TCP too where somebody's reply does not fit."""
    findings.asked += 1
    query = question.message()
    message = query.to_wire()
    for other in others.values():
        other.send(message)
    our_reply = _reply(ours.all, query, tcp=False)
    replies = {who: read(other.receive(), query) for who, other in others.items()}
    case = _Case(ours, question, query, tcp=False)
    assert our_reply.size <= case.limit, f"{question}: {our_reply.size} bytes"
    _judge(case, our_reply, replies, findings)
    if any(reply.truncated for reply in (our_reply, *replies.values())):
        replies = {who: read(other.ask_by_tcp(message), query) for who, other in others.items()}
        _judge(_Case(ours, question, query, tcp=True), _reply(ours.all, query, tcp=True), replies, findings)


def _judge(case: _Case, ours: Reply, replies: Mapping[str, Reply], findings: Findings) -> None:
    shape = ("answer",) * bool(ours.answer) + ("authority",) * bool(ours.authority)
    findings.kinds[(ours.rcode, "aa" if ours.authoritative else "", "tc" if ours.truncated else "", *shape)] += 1
    for who, theirs in replies.items():
        (left, right), names = explain(case, who, ours, theirs)
        if left == right:
            findings.explained.update(names)
        else:
            findings.unexplained.append(
                f"{case.question}\nours: {ours}\n{who}: {theirs}\n"
                f"with {names or 'nothing'} taken away:\nours: {left}\n{who}: {right}\n"
            )
