"""The server on real sockets, asked by dnspython, dig and kdig."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import pytest
import uvloop

from tests.dns.asking import lab_catalog, lines, question, views
from tests.programs import require_program
from zonemint.core.errors import ConfigError
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer
from zonemint.dns.transports import batch
from zonemint.dns.zones.catalog import Catalog

VALUES = {"one": ["value"], "many": [f"{n:03}" * 60 for n in range(20)]}


@asynccontextmanager
async def serving(
    *addresses: str,
    catalog: Catalog | None = None,
    batched: bool | None = None,
    tcp_limit: int = 256,
    tcp_idle: float = 10.0,
) -> AsyncIterator[DnsServer]:
    server = DnsServer(
        views(catalog or lab_catalog(VALUES.get)), batched=batched, tcp_limit=tcp_limit, tcp_idle=tcp_idle
    )
    await server.start(addresses or ["127.0.0.1"], 0)
    try:
        yield server
    finally:
        await server.close()


WAYS = [*([True] if batch.available() else []), False]
"""With recvmmsg, where the system has it, and without."""


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("batched", WAYS)
async def test_udp_and_tcp(batched: bool) -> None:
    async with serving(batched=batched) as server:
        for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
            for _ in range(2):
                reply = await ask(question("alias.lab.test.", "TXT"), "127.0.0.1", 2, server.port)
                assert lines(reply.answer) == ["alias 300 CNAME www", 'www 300 TXT "hello"']
        assert server.queries() == {("udp", "NOERROR"): 2, ("tcp", "NOERROR"): 2}


@pytest.mark.parametrize("batched", WAYS)
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_the_answer_comes_from_the_address_that_was_asked(listen: str, batched: bool) -> None:
    if ":" in listen and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    asked = {"0.0.0.0": "127.1.2.3", "::": "::1"}.get(listen, listen)
    async with serving(listen, batched=batched) as server:
        reply, _ = await dns.asyncquery.udp_with_fallback(question("www.lab.test."), asked, 2, server.port)
        assert len(reply.answer) == 1


@pytest.mark.parametrize("listen", [["127.0.0.1", "127.0.0.2", "::1"], ["0.0.0.0", "::"]])
async def test_many_addresses_share_a_port(listen: list[str]) -> None:
    usable = [address for address in listen if ":" not in address or has_ipv6()]
    async with serving(*usable) as server:
        for address in usable:
            asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
            for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
                assert (await ask(question("www.lab.test."), asked, 2, server.port)).answer


@pytest.mark.parametrize("batched", WAYS)
async def test_a_burst_with_rubbish_in_it(batched: bool) -> None:
    """More datagrams than a batch holds, and some that deserve silence: every question has its own answer."""
    async with serving(batched=batched) as server:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", server.port))
            asked: dict[int, str] = {}
            for n in range(150):
                sock.send(b"rubbish")
                query = question(["www", "nothing", "x.wild", "alias"][n % 4] + ".lab.test.")
                query.id = n
                asked[n] = str(query.question[0].name)
                sock.send(query.to_wire())
                sock.send(b"\0\1\x80\0" + query.to_wire()[4:])
                sock.send(b"")
            async with asyncio.timeout(5):
                while asked:
                    reply = dns.message.from_wire(await loop.sock_recv(sock, 4096))
                    assert str(reply.question[0].name) == asked.pop(reply.id)


async def test_an_answer_that_fits_into_no_slot_of_a_batch_harms_no_other() -> None:
    """Whoever makes it has not looked at the size; the datagram behind it lies where it would go on."""
    services = Services(classes={3: lambda message, client: message[:2] + b"\x84" + message[3:] + bytes(2 * 4096)})
    server = DnsServer(Views(Responder(lab_catalog(), services)), batched=batch.available())
    await server.start(["127.0.0.1"], 0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", server.port))
            asked: dict[int, dns.message.Message] = {}
            for n in range(64):
                query = question("www.lab.test.")
                query.id = n
                if n % 4 == 3:
                    query.question[0].rdclass = dns.rdataclass.CH
                else:
                    asked[n] = query
                sock.send(query.to_wire())
            async with asyncio.timeout(5):
                while asked:
                    wire = await asyncio.get_running_loop().sock_recv(sock, 65_535)
                    number = int.from_bytes(wire[:2], "big")
                    if number % 4 != 3:
                        assert asked.pop(number).is_response(dns.message.from_wire(wire))
    finally:
        await server.close()


@pytest.mark.parametrize("batched", WAYS)
async def test_what_others_changed_is_taken_over_before_the_answer(batched: bool) -> None:
    catalog = lab_catalog()
    (lab,) = catalog.zones()
    serials = iter(range(100, 200))

    def freshen() -> None:
        serial = next(serials)
        lab.put("new.lab.test", "TXT", 60, [f'"{serial}"'], serial=serial)

    server = DnsServer(views(catalog), freshen=freshen, batched=batched)
    await server.start(["127.0.0.1"], 0)
    try:
        for ask, expected in ((dns.asyncquery.udp, 100), (dns.asyncquery.udp, 101), (dns.asyncquery.tcp, 102)):
            reply = await ask(question("new.lab.test.", "TXT"), "127.0.0.1", 2, server.port)
            assert lines(reply.answer) == [f'new 60 TXT "{expected}"']
    finally:
        await server.close()


async def test_uvloop_serves_as_asyncio_does() -> None:
    async def both() -> None:
        async with serving() as server:
            for ask in (dns.asyncquery.udp, dns.asyncquery.tcp):
                reply = await ask(question("www.lab.test."), "127.0.0.1", 2, server.port)
                assert reply.rcode() == dns.rcode.NOERROR

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(both())

    await asyncio.to_thread(run)


async def test_truncated_answers_come_whole_over_tcp() -> None:
    async with serving() as server:
        query = question("many.auth.lab.test.", "TXT", payload=1232)
        reply, by_tcp = await dns.asyncquery.udp_with_fallback(query, "127.0.0.1", 2, server.port)
        assert by_tcp
        assert len(reply.answer[0]) == 20


def framed(query: dns.message.Message) -> bytes:
    wire = query.to_wire()
    return len(wire).to_bytes(2, "big") + wire


async def test_pipelining() -> None:
    """RFC 7766 section 6.2.1.1: questions in one piece or byte by byte, answers to all of them in order."""
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        ids = list(range(200))
        for n in ids:
            query = question("www.lab.test.")
            query.id = n
            stream = framed(query)
            if n < 5:
                for byte in stream:
                    writer.write(bytes((byte,)))
                    await writer.drain()
            else:
                writer.write(stream)
        async with asyncio.timeout(5):
            for n in ids:
                reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                assert dns.message.from_wire(reply).id == n
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_does_not_read_is_not_served_ahead() -> None:
    """20,000 long answers would be 80 MB: most of the questions wait until the client has read."""
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 12)
        stream = framed(question("many.auth.lab.test.", "TXT"))
        writer.write(stream * 20_000)
        reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        assert dns.message.from_wire(reply).rcode() == dns.rcode.NOERROR
        answered = -1
        while answered != server.queries()["tcp", "NOERROR"]:
            answered = server.queries()["tcp", "NOERROR"]
            await asyncio.sleep(0.05)
        assert answered < 10_000
        # Others are served meanwhile, and this client goes on when it reads again.
        assert (await dns.asyncquery.udp(question("www.lab.test."), "127.0.0.1", 2, server.port)).answer
        async with asyncio.timeout(5):
            for _ in range(answered):
                await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        writer.transport.abort()


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\x20abc"])
async def test_quiet_connections_are_closed(sent: bytes) -> None:
    """RFC 7766 section 6.2.3; half a message does not keep a connection open."""
    async with serving(tcp_idle=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await closed(reader)
        writer.close()


async def test_rubbish_ends_the_connection() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\0\3abc")
        async with asyncio.timeout(5):
            assert await closed(reader)
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def test_connections_are_bounded() -> None:
    """The one that was quiet longest makes room."""
    async with serving(tcp_limit=3) as server:
        opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]

        async def answered(n: int) -> bool:
            reader, writer = opened[n]
            writer.write(framed(question("www.lab.test.")))
            return bool(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))

        async with asyncio.timeout(5):
            assert await answered(2)
            assert await answered(1)
            assert await answered(0)
            opened.append(await asyncio.open_connection("127.0.0.1", server.port))
            assert await answered(3)
            assert await closed(opened[2][0])
            assert await answered(0)
        for _, writer in opened:
            writer.transport.abort()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_port_that_is_taken(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        server = DnsServer(views(lab_catalog()))
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1: another program does.*--dns-port"):
            await server.start(["127.0.0.1"], port)


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(ConfigError, match="does not have that address; --listen"):
        await DnsServer(views(lab_catalog())).start(["192.0.2.1"], 0)


async def test_a_low_port_without_the_right_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal is provoked at its border: root, who runs tests in containers, is never refused."""

    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match=r"UDP port 53 of 127\.0\.0\.1 without the right.*--dns-port"):
        await DnsServer(views(lab_catalog())).start(["127.0.0.1"], 53)


async def test_a_closed_server_frees_its_port() -> None:
    async with serving() as server:
        port = server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await closed(reader)
    writer.close()
    again = DnsServer(views(lab_catalog()))
    await again.start(["127.0.0.1"], port)
    await again.close()


async def run(program: str, *arguments: str) -> str:
    child = await asyncio.create_subprocess_exec(
        require_program(program), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(20):
        output, _ = await child.communicate()
    return output.decode()


async def test_dig() -> None:
    async with serving() as server:
        ask = ("@127.0.0.1", "-p", str(server.port), "+noall", "+answer", "+comments", "+tries=1", "+time=2")
        output = await run("dig", *ask, "_ACME-challenge.server-1.Lab.Test", "TXT")
        assert "status: NOERROR" in output
        assert "flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1" in output
        assert 'one.auth.Lab.Test.\t1\tIN\tTXT\t"value"' in output
        assert "WARNING: recursion requested but not available" in output
        assert "malformed" not in output
        assert output.count("udp: 1232") == 1
        tcp = await run("dig", *ask, "+tcp", "nothing.lab.test", "A", "www.lab.test", "A")
        assert "status: NXDOMAIN" in tcp
        assert "192.0.2.10" in tcp
        whole = await run("dig", *ask, "many.auth.lab.test", "TXT")
        assert "Truncated, retrying in TCP mode" in whole
        assert whole.count("IN\tTXT") == 20
        assert "status: BADVERS" in await run("dig", *ask, "+edns=1", "+noednsnegotiation", "www.lab.test")


async def test_kdig() -> None:
    async with serving() as server:
        ask = ("@127.0.0.1", "-p", str(server.port), "+retry=0", "+timeout=2")
        output = await run("kdig", *ask, "+edns", "+dnssec", "+nsid", "x.wild.lab.test", "A")
        assert "status: NOERROR" in output
        assert "192.0.2.30" in output
        assert "WARNING" not in output
        tcp = await run("kdig", *ask, "+tcp", "+keepopen", "www.lab.test", "A", "alias.lab.test", "TXT")
        assert tcp.count("status: NOERROR") == 2
