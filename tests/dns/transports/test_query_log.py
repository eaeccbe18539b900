"""The log of queries: CoreDNS's line, and which queries get one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import TCP, UDP, answer, lab_catalog, question, views
from zonemint.dns import wire
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services, Stream
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer
from zonemint.dns.transports.query_log import QueryLog, line

ALL = ("success", "denial", "error")
LINE = re.compile(
    r'\[INFO\] (?P<client>\S+:\d+) - (?P<id>\d+) "(?P<type>\S+) (?P<class>\S+) (?P<name>\S+) (?P<proto>\w+) '
    r'(?P<size>\d+) (?P<do>true|false) (?P<buffer>\d+)" (?P<rcode>\S+) (?P<flags>\S+) (?P<rsize>\d+) \d+\.\d{9}s'
)


def fields(text: str) -> dict[str, str]:
    match = LINE.fullmatch(text)
    assert match, text
    return match.groupdict()


def noted(message: bytes, client: Client = UDP, **settings: Any) -> list[str]:
    lines: list[str] = []
    log = QueryLog(lines.append, **{"classes": ALL, **settings})
    log.note(client, message, answer(Responder(lab_catalog()), message), 0.0000125)
    return lines


def test_the_line_is_that_of_corednss_documentation() -> None:
    query = question("Example.org.", payload=4096)
    query.id = 29008
    message = query.to_wire()
    reply = message[:2] + b"\x85\x00" + message[4:] + bytes(41)
    client = Client.of("::1", 50759, Transport.UDP)
    parsed = wire.parse_query(message)
    assert line(client, message, parsed, reply, 0.0379) == (
        '[INFO] [::1]:50759 - 29008 "A IN example.org. udp 40 false 4096" NOERROR qr,aa,rd 81 0.037900000s'
    )


def test_what_was_asked_and_answered_is_in_it() -> None:
    query = question("www.lab.test.", payload=1400)
    query.want_dnssec()
    (text,) = noted(query.to_wire(), TCP)
    found = fields(text)
    expected = {"client": "127.0.0.1:5300", "id": str(query.id), "type": "A", "class": "IN", "name": "www.lab.test."}
    expected |= {"proto": "tcp", "do": "true", "rcode": "NOERROR", "flags": "qr,aa,rd"}
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "type_", "kind"),
    [
        ("www.lab.test.", "A", "success"),
        ("a.child.lab.test.", "A", "success"),
        ("www.lab.test.", "MX", "denial"),
        ("nothing.lab.test.", "A", "denial"),
        ("www.elsewhere.example.", "A", "error"),
        ("lab.test.", "AXFR", "error"),
    ],
)
def test_answers_are_of_three_classes(name: str, type_: str, kind: str) -> None:
    message = question(name, type_).to_wire()
    for one in ALL:
        assert len(noted(message, classes=(one,))) == (one == kind)


def test_names_clients_and_a_share_of_them_can_be_chosen() -> None:
    message = question("www.lab.test.").to_wire()
    for names, expected in (
        (["lab.test"], 1),
        (["www.lab.test"], 1),
        (["."], 1),
        (["ab.test"], 0),
        (["a.www.lab.test"], 0),
        (["other.test", "test"], 1),
    ):
        assert len(noted(message, names=[wire.name_from_text(one) for one in names])) == expected, names
    for network, expected in (("127.0.0.0/8", 1), ("10.0.0.0/8", 0), ("::/0", 0)):
        assert len(noted(message, networks=[ip_network(network)])) == expected, network
    lines: list[str] = []
    log = QueryLog(lines.append, classes=ALL, every=10)
    for _ in range(95):
        log.note(UDP, message, answer(Responder(lab_catalog()), message), 0.0)
    assert len(lines) == 9


def test_a_name_cannot_forge_a_line() -> None:
    wired = b"\x0da\n[INFO] evil\x03lab\x04test\0"
    message = bytes(2) + b"\x01\0\0\1\0\0\0\0\0\0" + wired + b"\0\1\0\1"
    (text,) = noted(message)
    assert "\n" not in text
    assert fields(text)["name"] == "a\\010[info]\\032evil.lab.test."


@given(st.binary(min_size=12, max_size=80), st.none() | st.binary(min_size=12, max_size=40))
def test_bytes_of_any_kind_are_one_line_or_none(message: bytes, reply: bytes | None) -> None:
    lines: list[str] = []
    QueryLog(lines.append, classes=ALL).note(UDP, message, reply, 0.0)
    assert len(lines) <= 1
    assert all(text.isprintable() and text.isascii() for text in lines)


@asynccontextmanager
async def serving(lines: list[str], *, batched: bool) -> AsyncIterator[DnsServer]:
    loop = asyncio.get_running_loop()
    promised: list[asyncio.Future[Any]] = []

    def source(label: str) -> asyncio.Future[Any]:
        promised.append(loop.create_future())
        loop.call_later(0.01, promised[-1].set_result, ["value"])
        return promised[-1]

    log = QueryLog(lines.append, classes=ALL)
    server = DnsServer(views(lab_catalog(source)), batched=batched, log=log)
    await server.start(["127.0.0.1"], 0)
    try:
        yield server
    finally:
        await server.close()


@pytest.mark.parametrize("batched", [True, False])
async def test_every_transport_is_logged_and_answers_that_wait_are_too(batched: bool) -> None:
    lines: list[str] = []
    async with serving(lines, batched=batched) as server:
        for name, type_ in (("www.lab.test.", "A"), ("www.lab.test.", "A"), ("one.auth.lab.test.", "TXT")):
            query = dns.message.make_query(name, type_)
            await dns.asyncquery.udp(query, "127.0.0.1", port=server.port, timeout=10)
            await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=10)
            await server.answer_to(query.to_wire(), Client.of("192.0.2.1", 0, Transport.HTTPS))
            await server.answer(query.to_wire())
    found = [fields(text) for text in lines]
    assert [one["proto"] for one in found] == ["udp", "tcp", "https"] * 3
    assert {one["rcode"] for one in found} == {"NOERROR"}
    assert [one["type"] for one in found] == ["A"] * 6 + ["TXT"] * 3
    assert all(int(one["rsize"]) > 40 for one in found)


async def test_an_answer_of_many_messages_is_a_success() -> None:
    lines: list[str] = []
    services = Services(types={252: lambda message, client: Stream(iter([message[:2] + b"\x84" + message[3:]]))})
    log = QueryLog(lines.append, classes=("success",))
    server = DnsServer(Views(Responder(lab_catalog(), services)), log=log)
    await server.start(["127.0.0.1"], 0)
    try:
        query = question("lab.test.", "AXFR")
        assert await dns.asyncquery.tcp(query, "127.0.0.1", port=server.port, timeout=10)
        log.noting(TCP, query.to_wire(), lambda reply: None)(Stream(iter([])))
        # By HTTPS it is refused, which is an error.
        refused = await server.answer_to(query.to_wire(), Client.of("192.0.2.1", 0, Transport.HTTPS))
        assert refused is not None
        assert refused[3] & 15 == 5
    finally:
        await server.close()
    assert [(fields(text)["type"], fields(text)["rcode"]) for text in lines] == [("AXFR", "NOERROR")] * 2
