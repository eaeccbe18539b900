"""Answers that wait for a zone's source: over UDP and TCP, to the right client, from the right address, once."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
import pytest_asyncio
import uvloop

from tests.dns.asking import TCP, UDP, lab_catalog, lines, question, rcodes, views
from tests.dns.test_server import WAYS, framed, has_ipv6
from zonemint.core.errors import StoreUnavailable
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Reply
from zonemint.dns.server import DnsServer
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import TxtValues

ALIAS = "_acme-challenge.server-1.lab.test."


class Source:
    """A source that promises everything, and keeps its promises when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[str, asyncio.Future[TxtValues]]] = asyncio.Queue()

    def __call__(self, label: str) -> asyncio.Future[TxtValues]:
        promised: asyncio.Future[TxtValues] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((label, promised))
        return promised

    async def next(self) -> tuple[str, asyncio.Future[TxtValues]]:
        async with asyncio.timeout(5):
            return await self.asked.get()


@pytest_asyncio.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    """Nothing goes wrong behind our back: no exception in a callback, none that nobody looks at."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: found.append(context))
    yield
    gc.collect()
    await asyncio.sleep(0)
    assert not found


@asynccontextmanager
async def serving(
    source: Source, *addresses: str, batched: bool | None = None, catalog: Catalog | None = None
) -> AsyncIterator[DnsServer]:
    server = DnsServer(views(catalog or lab_catalog(source)), batched=batched)
    await server.start(addresses or ["127.0.0.1"], 0)
    try:
        yield server
    finally:
        await server.close()


def later(reply: Reply) -> Later:
    assert isinstance(reply, Later)
    return reply


async def turn() -> None:
    """Let the loop do what is due."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_late_answer_is_what_a_source_that_knows_would_have_made_of_it() -> None:
    """Letter case, id, flags, EDNS and size are the question's own."""
    big = [f"{n:03}" * 60 for n in range(20)]
    for values in (["one", "two"], [], None, big):
        for tcp in (False, True):
            for payload in (None, 512, 1232):
                for name, type_ in (
                    (ALIAS, "TXT"),
                    ("oNe.AUTH.lab.Test.", "TXT"),
                    ("one.auth.lab.test.", "A"),
                    ("one.auth.lab.test.", "ANY"),
                ):
                    message = question(name, type_, payload=payload).to_wire()
                    source = Source()
                    responder = Responder(lab_catalog(source))
                    sent: list[Any] = []
                    later(responder.respond(message, TCP if tcp else UDP)).then(sent.append)
                    label, promised = await source.next()
                    assert label == "one"
                    await turn()
                    assert not sent
                    promised.set_result(values)
                    await turn()
                    assert sent == [Responder(lab_catalog({"one": values}.get)).respond(message, TCP if tcp else UDP)]


async def test_it_is_counted_once_and_not_remembered() -> None:
    source = Source()
    responder = Responder(lab_catalog(source))
    message = question(ALIAS, "TXT").to_wire()
    for values in (["one"], None, ["two"]):
        sent: list[Any] = []
        later(responder.respond(message, UDP)).then(sent.append)
        assert source.asked.qsize() == 1
        (await source.next())[1].set_result(values)
        await turn()
        assert len(sent) == 1
        assert len(dns.message.from_wire(sent[0]).answer) == (1 if values is None else 2)
    assert rcodes(responder) == {("udp", "NOERROR"): 2, ("udp", "NXDOMAIN"): 1}
    assert not responder.lasting
    assert not responder.passing


async def test_a_source_that_fails_is_a_servfail() -> None:
    source = Source()
    responder = Responder(lab_catalog(source))
    sent: list[Any] = []
    later(responder.respond(question(ALIAS, "TXT", payload=1232).to_wire(), UDP)).then(sent.append)
    (await source.next())[1].set_exception(StoreUnavailable("gone"))
    await turn()
    reply = dns.message.from_wire(sent[0])
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert reply.edns == 0
    assert not reply.answer
    assert rcodes(responder) == {("udp", "SERVFAIL"): 1}


async def test_a_zone_that_changes_meanwhile_is_answered_from_as_it_is() -> None:
    """What was read for one name is never said of another."""
    source = Source()
    catalog = lab_catalog(source)
    lab = catalog.zones()[0]
    responder = Responder(catalog)
    sent: list[Any] = []
    message = question(ALIAS, "TXT").to_wire()
    later(responder.respond(message, UDP)).then(sent.append)
    label, promised = await source.next()
    assert label == "one"
    lab.put(ALIAS[:-1], "CNAME", 60, ["two.auth.lab.test."], serial=8)
    promised.set_result(["of one"])
    label, promised = await source.next()
    assert label == "two"
    assert not sent
    promised.set_result(["of two"])
    await turn()
    alias = "_acme-challenge.server-1 60 CNAME two.auth"
    assert lines(dns.message.from_wire(sent[0]).answer) == [alias, 'two.auth 1 TXT "of two"']

    later(responder.respond(message, UDP)).then(sent.append)
    _, promised = await source.next()
    catalog.remove("auth.lab.test")
    promised.set_exception(StoreUnavailable("late"))
    del promised
    await turn()
    reply = dns.message.from_wire(sent[1])
    assert lines(reply.answer) == [alias]
    assert lines(reply.authority) == ["auth 300 NS ns1"]


@pytest.mark.parametrize("label", [b"a\0b", b"\0", b"\xe4", b"one\xff"])
async def test_labels_that_no_account_has_are_not_asked_for(label: bytes) -> None:
    """PostgreSQL refuses a NUL, and would refuse it to all whose labels are read along with it."""
    source = Source()
    name = bytes((len(label),)) + label + b"\4auth\3lab\4test\0"
    reply = Responder(lab_catalog(source)).respond(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\x10\0\1", UDP)
    assert isinstance(reply, bytes)
    assert dns.message.from_wire(reply).rcode() == dns.rcode.NXDOMAIN
    assert source.asked.empty()


@pytest.mark.parametrize("batched", WAYS)
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_udp(listen: str, batched: bool) -> None:
    """The answer comes from the address that was asked, and others are answered meanwhile."""
    if ":" in listen and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    asked = {"0.0.0.0": "127.1.2.3", "::": "::1"}.get(listen, listen)
    source = Source()
    async with serving(source, listen, batched=batched) as server:
        waiting = asyncio.create_task(dns.asyncquery.udp(question(ALIAS, "TXT"), asked, 5, server.port))
        _, promised = await source.next()
        for _ in range(2):
            assert (await dns.asyncquery.udp(question("www.lab.test."), asked, 5, server.port)).answer
        assert not waiting.done()
        promised.set_result(["value"])
        reply = await waiting
        assert lines(reply.answer) == ["_acme-challenge.server-1 300 CNAME one.auth", 'one.auth 1 TXT "value"']
        assert server.queries() == {("udp", "NOERROR"): 3}


@pytest.mark.parametrize("batched", WAYS)
async def test_late_answers_find_their_clients(batched: bool) -> None:
    """Of two clients at once, in another order than they asked, when every slot has been another's meanwhile."""
    source = Source()
    async with serving(source, "0.0.0.0", batched=batched) as server:
        loop = asyncio.get_running_loop()
        clients = []
        for host in ("127.0.0.1", "127.0.0.2"):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.setblocking(False)
            client.bind((host, 0))
            client.connect((host, server.port))
            clients.append(client)
        expected: list[dict[int, str]] = [{}, {}]
        for n in range(100):
            query = question(["www.lab.test.", f"w{n}.auth.lab.test."][n % 2], "TXT")
            query.id = n
            expected[n // 2 % 2][n] = ["hello", f"w{n}"][n % 2]
            clients[n // 2 % 2].send(query.to_wire())
        promises = [await source.next() for _ in range(50)]
        for label, promised in reversed(promises):
            promised.set_result([label])
        async with asyncio.timeout(5):
            for client, texts in zip(clients, expected, strict=True):
                while texts:
                    reply = dns.message.from_wire(await loop.sock_recv(client, 4096))
                    assert lines(reply.answer)[0].endswith(f' TXT "{texts.pop(reply.id)}"')
        for client in clients:
            client.close()


@pytest.mark.parametrize("batched", WAYS)
async def test_a_late_answer_that_is_too_long_comes_whole_over_tcp(batched: bool) -> None:
    source = Source()
    async with serving(source, batched=batched) as server:
        query = question("many.auth.lab.test.", "TXT", payload=1232)
        waiting = asyncio.create_task(dns.asyncquery.udp_with_fallback(query, "127.0.0.1", 5, server.port))
        for _ in range(2):
            (await source.next())[1].set_result([f"{n:03}" * 60 for n in range(20)])
        reply, by_tcp = await waiting
        assert by_tcp
        assert len(reply.answer[0]) == 20


async def test_uvloop_waits_as_asyncio_does() -> None:
    async def both() -> None:
        source = Source()
        async with serving(source) as server:
            for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
                waiting = asyncio.create_task(ask(question(ALIAS, "TXT"), "127.0.0.1", 5, server.port))
                (await source.next())[1].set_result(["value"])
                assert len((await waiting).answer) == 2

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(both())

    await asyncio.to_thread(run)


class Client:
    """A TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, name: str, id_: int) -> None:
        query = question(name, "TXT")
        query.id = id_
        self.writer.write(framed(query))

    async def read(self) -> dns.message.Message:
        async with asyncio.timeout(5):
            size = int.from_bytes(await self.reader.readexactly(2), "big")
            return dns.message.from_wire(await self.reader.readexactly(size))


@asynccontextmanager
async def client(server: DnsServer) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield Client(reader, writer)
    writer.transport.abort()


async def test_tcp_answers_overtake_those_that_wait() -> None:
    """RFC 7766 section 6.2.1.1."""
    source = Source()
    async with serving(source) as server, client(server) as tcp:
        for n, name in enumerate(("a.auth", "www", "b.auth", "www")):
            tcp.ask(f"{name}.lab.test.", n)
        assert [(await tcp.read()).id for _ in range(2)] == [1, 3]
        (_, a), (_, b) = await source.next(), await source.next()
        b.set_result(["of b"])
        reply = await tcp.read()
        assert (reply.id, lines(reply.answer)) == (2, ['b.auth 1 TXT "of b"'])
        a.set_result(None)
        reply = await tcp.read()
        assert (reply.id, reply.rcode()) == (0, dns.rcode.NXDOMAIN)
        assert server.queries() == {("tcp", "NOERROR"): 3, ("tcp", "NXDOMAIN"): 1}


async def test_one_connection_waits_for_so_many_answers_at_once() -> None:
    """The questions behind them are taken up as the answers come."""
    source = Source()
    async with serving(source) as server, client(server) as tcp:
        for n in range(200):
            tcp.ask(f"w{n}.auth.lab.test.", n)
        answered = 0
        promises = [await source.next() for _ in range(64)]
        async with client(server) as other:
            # What is answered after it came in was sent after it, so the first client's questions are all there.
            other.ask("www.lab.test.", 1)
            await other.read()
        assert source.asked.empty()
        while promises:
            _, promised = promises.pop()
            promised.set_result(["value"])
            assert (await tcp.read()).answer
            answered += 1
            if answered + len(promises) < 200:
                promises.append(await source.next())
        assert answered == 200


async def test_a_client_that_closes_is_sent_nothing_more() -> None:
    """RFC 7766 section 6.2.4; and what waited for it leaves no trace."""
    source = Source()
    async with serving(source) as server, client(server) as tcp:
        tcp.ask(ALIAS, 1)
        _, promised = await source.next()
        tcp.writer.write_eof()
        async with asyncio.timeout(5):
            assert await tcp.reader.read() == b""
        promised.set_result(["value"])
        await turn()
        assert not len(server._connections)


@pytest.mark.parametrize("batched", WAYS)
async def test_a_server_that_is_closed_sends_nothing_more(batched: bool) -> None:
    """Not even to the descriptor's next owner."""
    source = Source()
    async with serving(source, batched=batched) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", server.port))
            udp.send(question(ALIAS, "TXT").to_wire())
            promises = [await source.next()]
        async with client(server) as tcp:
            tcp.ask(ALIAS, 1)
            promises.append(await source.next())
            await server.close()
            pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(20)]
            for _, promised in promises:
                promised.set_result(["value"])
            await turn()
            for pair in pairs:
                for end in pair:
                    end.setblocking(False)
                    with pytest.raises(BlockingIOError):
                        end.recv(1)
                    end.close()
    del promises
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Later)]
