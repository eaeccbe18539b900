"""The stub client, before our server and before name servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.dns.asking import lab_catalog, views
from zonemint.core.errors import DnsFailure
from zonemint.dns.client import query, txt_value
from zonemint.dns.server import DnsServer
from zonemint.dns.zones.records import Record

Reply = Callable[[bytes], list[bytes]]


@asynccontextmanager
async def server() -> AsyncIterator[tuple[str, int]]:
    values = {"one": ["value"], "many": [f"{n:03}" * 60 for n in range(20)]}
    running = DnsServer(views(lab_catalog(values.get)))
    await running.start(["127.0.0.1"], 0)
    try:
        yield "127.0.0.1", running.port
    finally:
        await running.close()


@asynccontextmanager
async def misbehaving(reply: Reply) -> AsyncIterator[tuple[tuple[str, int], list[bytes]]]:
    """A UDP server that sends what `reply` says, and the questions that it got."""
    heard: list[bytes] = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            heard.append(data)
            for item in reply(data):
                self.transport.sendto(item, addr)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname"), heard
    finally:
        transport.close()


def right(asked: bytes) -> bytes:
    reply = dns.message.make_response(dns.message.from_wire(asked))
    reply.answer.append(dns.rrset.from_text(reply.question[0].name, 5, "IN", "TXT", '"right"'))
    return reply.to_wire()


def wrong(asked: bytes) -> bytes:
    return right(asked).replace(b"\5right", b"\5wrong")


async def test_the_challenge() -> None:
    async with server() as address:
        response = await query(address, "_acme-challenge.server-1.lab.test", "TXT")
    assert response.server == f"127.0.0.1:{address[1]}"
    assert (response.rcode, response.authoritative) == ("NOERROR", True)
    assert response.answers == (
        Record("_acme-challenge.server-1.lab.test", 300, "CNAME", "one.auth.lab.test."),
        Record("one.auth.lab.test", 1, "TXT", '"value"'),
    )
    assert txt_value(response.answers[1]) == "value"
    assert 0 < response.ms < 2000


async def test_of_a_negative_answer_the_soa_is_left_out() -> None:
    async with server() as address:
        response = await query(address, "nothing.lab.test", "A")
    assert response.rcode == "NXDOMAIN"
    assert (response.authoritative, response.answers, response.authority) == (True, (), ())


async def test_a_server_of_this_process_is_asked_without_a_packet() -> None:
    freshened: list[None] = []
    values = {"one": ["value"], "many": [f"{n:03}" * 60 for n in range(20)]}
    here = DnsServer(views(lab_catalog(values.get)), freshen=lambda: freshened.append(None)).answer
    nobody = ("127.0.0.1", 1)
    long = await query(nobody, "many.auth.lab.test", "TXT", here=here)
    gone = await query(nobody, "nothing.lab.test", "CAA", here=here)
    assert (len(long.answers), gone.rcode, gone.server) == (20, "NXDOMAIN", "127.0.0.1:1")
    assert len(freshened) == 2


async def test_long_answers_come_over_tcp() -> None:
    async with server() as address:
        response = await query(address, "many.auth.lab.test", "TXT")
    assert len(response.answers) == 20


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: bytes((reply[0] ^ 1,)) + reply[1:],
        lambda reply: reply[:2] + bytes((reply[2] & 0x7F,)) + reply[3:],
        lambda reply: reply[:2] + bytes((reply[2] | 0x28,)) + reply[3:],
        lambda reply: reply.replace(b"\4good", b"\4evil"),
        lambda reply: reply[:-1] if len(reply) < 12 else reply[:11],
        lambda reply: reply[:4] + b"\0\2" + reply[6:],
        lambda reply: reply[:4] + b"\0\0" + reply[6:],
        lambda reply: reply.replace(b"\0\x10\0\1", b"\0\1\0\1", 1),
        lambda reply: b"",
    ],
)
async def test_answers_to_other_questions_are_not_heard(spoil: Callable[[bytes], bytes]) -> None:
    """RFC 5452 section 9.1: the right answer that comes after them is."""
    async with misbehaving(lambda asked: [spoil(wrong(asked)), right(asked)]) as (address, _):
        response = await query(address, "good.test", "TXT")
    assert [txt_value(r) for r in response.answers] == ["right"]


async def test_answers_from_other_addresses_are_not_heard() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for sock in (real, other):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        task = asyncio.create_task(query(real.getsockname(), "good.test", "TXT"))
        asked, client = await loop.sock_recvfrom(real, 512)
        await loop.sock_sendto(other, wrong(asked), client)
        await loop.sock_sendto(real, right(asked), client)
        assert [txt_value(r) for r in (await task).answers] == ["right"]


async def test_every_question_has_its_own_id_and_port() -> None:
    """RFC 5452 section 10."""
    ports: list[int] = []
    async with misbehaving(lambda asked: [right(asked)]) as (address, heard):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            for _ in range(8):
                task = asyncio.create_task(query(sock.getsockname(), "good.test", "TXT"))
                asked, client = await loop.sock_recvfrom(sock, 512)
                ports.append(client[1])
                await loop.sock_sendto(sock, right(asked), client)
                await task
        for _ in range(8):
            await query(address, "good.test", "TXT")
    assert len({item[:2] for item in heard}) > 4
    assert len(set(ports)) > 4


async def test_a_lost_packet_is_sent_again() -> None:
    async with misbehaving(lambda asked: [right(asked)] if len(heard) == 2 else []) as (address, heard):
        response = await query(address, "good.test", "TXT", timeout=0.4)
    assert response.answers
    assert heard[0] == heard[1]


async def test_silence() -> None:
    async with misbehaving(lambda asked: []) as ((host, port), heard):
        with pytest.raises(DnsFailure, match=f"name server {host}:{port}, asked for good.test TXT: no answer within"):
            await query((host, port), "good.test", "TXT", timeout=0.05)
    assert heard


async def test_a_closed_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
    with pytest.raises(DnsFailure, match="Connection refused"):
        await query(address, "good.test", "TXT")


async def test_tc_without_tcp() -> None:
    def truncated(asked: bytes) -> list[bytes]:
        reply = right(asked)
        return [reply[:2] + bytes((reply[2] | 2,)) + reply[3:]]

    async with misbehaving(truncated) as (address, _):
        with pytest.raises(DnsFailure, match="TXT: "):
            await query(address, "good.test", "TXT")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: reply[:-1],
        lambda reply: reply[:6] + b"\0\2" + reply[8:],
        lambda reply: reply.replace(b"\5right", b"\x09right"),
        lambda reply: reply.replace(b"\xc0\x0c", b"\xc0\xff"),
    ],
)
async def test_unreadable_answers(spoil: Callable[[bytes], bytes]) -> None:
    def plain(asked: bytes) -> list[bytes]:
        message = dns.message.from_wire(right(asked))
        message.use_edns(False)
        return [spoil(message.to_wire())]

    async with misbehaving(plain) as (address, _):
        with pytest.raises(DnsFailure, match="TXT: "):
            await query(address, "good.test", "TXT")


async def test_errors_without_the_question_are_answers() -> None:
    async with misbehaving(lambda asked: [asked[:2] + b"\x81\x05" + bytes(8)]) as (address, _):
        assert (await query(address, "good.test", "TXT")).rcode == "REFUSED"


@pytest.mark.parametrize(("name", "type_"), [("a..b", "TXT"), ("x" * 64 + ".test", "A"), ("good.test", "NOTYPE")])
async def test_questions_that_cannot_be_asked(name: str, type_: str) -> None:
    with pytest.raises(DnsFailure):
        await query(("127.0.0.1", 9), name, type_)


@pytest.mark.parametrize(
    ("data", "value"), [('"a"', "a"), ('"a b" "c"', "a bc"), ("bare", "bare"), ('""', ""), (r'"\"\\\255"', '"\\\xff')]
)
def test_txt_value(data: str, value: str) -> None:
    """Character-strings are joined without a gap."""
    assert txt_value(Record("good.test", 1, "TXT", data)) == value
