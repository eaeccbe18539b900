"""What is sent to a server, what is heard of what comes back, and how servers differ."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path

import dns.flags
import dns.message
import pytest

from tests.app.test_roles import self_signed
from tests.dns.forward.servers import HOST, Answering, made, question, serving, silent
from zonemint.core.errors import DnsFailure
from zonemint.dns.forward.upstream import Endpoint, Upstream

ADDRESS = made("@ 60 A 192.0.2.1")
WWW = question("www.example")


async def answered(upstream: Upstream, *, name: str = "www.example") -> list[str]:
    async with asyncio.timeout(10):
        reply = await upstream.ask(question(name))
    upstream.close()
    return [str(item) for rrset in dns.message.from_wire(reply).answer for item in rrset]


async def test_questions_cannot_be_guessed() -> None:
    async with serving(ADDRESS) as server:
        upstream = Upstream(server.endpoint)
        for _ in range(20):
            await upstream.ask(question("a-rather-long-name-with-letters.example"))
        asked = server.messages["udp"]
        assert len({message[:2] for message in asked}) > 15
        assert len({message[12:40] for message in asked}) > 15
        assert len({message[12:40].lower() for message in asked}) == 1
        message = dns.message.from_wire(asked[0])
        assert message.flags == dns.flags.RD | dns.flags.AD
        assert (message.edns, message.payload, message.ednsflags) == (0, 1232, 0)


async def test_dnssec_is_asked_for_where_it_is_wanted() -> None:
    async with serving(ADDRESS) as server:
        await Upstream(server.endpoint).ask(question("www.example", dnssec_ok=True, checking_disabled=True))
        message = dns.message.from_wire(server.messages["udp"][0])
        assert message.flags & dns.flags.CD
        assert message.ednsflags == dns.flags.DO


def lies(message: bytes) -> Iterable[bytes]:
    """What others would send who guess, then the truth."""
    (good,) = made("@ 60 A 192.0.2.1")(message)
    (bad,) = made("@ 60 A 203.0.113.66")(message)
    end = bad.index(0, 12) + 1
    yield bytes((bad[0] ^ 1,)) + bad[1:]  # another id
    yield bad[:2] + bytes((bad[2] & 0x7F,)) + bad[3:]  # a question
    yield bad[:2] + bytes((bad[2] | 8,)) + bad[3:]  # another opcode
    yield bad[:end] + b"\0\x1c" + bad[end + 2 :]  # another type
    yield bad[:13] + b"x" + bad[14:]  # another name
    yield bad[:4] + b"\0\0" + bad[6:]  # no question
    yield bad[:4] + b"\0\2" + bad[6:]  # two questions
    yield bad[:7]
    yield b""
    yield good


async def test_only_the_answer_is_heard() -> None:
    async with serving(lies) as server:
        assert await answered(Upstream(server.endpoint)) == ["192.0.2.1"]


async def test_an_answer_in_other_letter_case_is_asked_for_again_over_tcp() -> None:
    def folding(message: bytes) -> Iterable[bytes]:
        (reply,) = made("@ 60 A 203.0.113.66")(message)
        yield reply[:12] + reply[12:25].lower() + reply[25:]

    name = "abcdefghijk"  # one label, of which no letter may be changed by chance
    async with serving(folding, ADDRESS) as server:
        upstream = Upstream(server.endpoint)
        for _ in range(8):
            await answered(upstream, name=name)
        # Soon it is taken as it is.
        assert 1 <= len(server.messages["tcp"]) <= 3
        assert server.messages["udp"][-1][12:24] == b"\x0babcdefghijk"


async def test_a_folding_server_without_tcp_is_asked_in_lower_case() -> None:
    def folding(message: bytes) -> Iterable[bytes]:
        (reply,) = ADDRESS(message)
        yield reply[:12] + reply[12:25].lower() + reply[25:]

    def closing(message: bytes) -> Iterable[bytes]:
        yield b""

    async with serving(folding, closing) as server:
        upstream = Upstream(server.endpoint)
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(await answered(upstream, name="abcdefghijklmnop.example"))
            except DnsFailure:
                outcomes.append([])
        assert outcomes[-1] == ["192.0.2.1"]


async def test_truncation_leads_to_tcp() -> None:
    many = [f"@ 60 TXT {'x' * 200}{n}" for n in range(30)]
    async with serving(made(flags=dns.flags.TC), made(*many)) as server:
        reply = await Upstream(server.endpoint).ask(question("www.example", "TXT"))
        assert len(dns.message.from_wire(reply).answer) == 1
        assert len(reply) > 4096


async def test_a_server_that_knows_no_edns() -> None:
    def old(message: bytes) -> Iterable[bytes]:
        if dns.message.from_wire(message).edns >= 0:
            yield message[:2] + b"\x81\x81" + bytes(8)
        else:
            yield from ADDRESS(message)

    async with serving(old) as server:
        upstream = Upstream(server.endpoint)
        assert await answered(upstream) == ["192.0.2.1"]
        assert await answered(upstream) == ["192.0.2.1"]
        assert len(server.messages["udp"]) == 3


async def test_nobody_there() -> None:
    async with serving(silent) as server:
        endpoint = server.endpoint
    with pytest.raises(DnsFailure, match="refused"):
        await answered(Upstream(endpoint))
    with pytest.raises(DnsFailure, match="refused"):
        await answered(Upstream(endpoint._replace(kind="tcp")))


def late(count: int) -> Answering:
    """Answer all of so many questions when the last has come, the last one first."""
    waiting: list[bytes] = []

    def answer(message: bytes) -> list[bytes]:
        waiting.append(message)
        if len(waiting) < count:
            return []
        return [reply for one in reversed(waiting) for reply in made("@ 60 TXT @")(one)]

    return answer


@pytest.mark.parametrize("tls", [False, True])
async def test_one_connection_carries_many_questions_in_any_order(tmp_path: Path, tls: bool) -> None:
    certificate, key = self_signed(tmp_path, 1)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate, key)
    ours = ssl.create_default_context(cafile=str(certificate))
    async with serving(silent, late(300), context=theirs if tls else None) as server:
        endpoint = Endpoint("tls" if tls else "tcp", HOST, server.port, "localhost")
        upstream = Upstream(endpoint, context=ours)
        names = [f"n{n}.example" for n in range(300)]
        replies = await asyncio.gather(*[upstream.ask(question(name, "TXT")) for name in names])
        assert [dns.message.from_wire(reply).answer[0].name.to_text(True) for reply in replies] == names
        assert server.connections == 1
        upstream.close()


async def test_a_certificate_for_somebody_else_is_not_believed(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, 1)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate, key)
    ours = ssl.create_default_context(cafile=str(certificate))
    async with serving(ADDRESS, context=theirs) as server:
        for name, context in (("other.example", ours), ("localhost", ssl.create_default_context())):
            with pytest.raises(DnsFailure, match="its certificate is not the one to expect"):
                await answered(Upstream(Endpoint("tls", HOST, server.port, name), context=context))
        assert not server.messages["tcp"]


async def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    turns = iter(range(100))

    def closing(message: bytes) -> Iterable[bytes]:
        yield from ADDRESS(message) if next(turns) % 2 == 0 else [b""]

    async with serving(silent, closing) as server:
        upstream = Upstream(server.endpoint._replace(kind="tcp"))
        for _ in range(3):
            reply = await upstream.ask(WWW)
            assert dns.message.from_wire(reply).answer
        assert server.connections == 3
        upstream.close()


async def test_a_connection_on_which_nothing_comes_is_given_up() -> None:
    async with serving(silent) as server:
        upstream = Upstream(server.endpoint._replace(kind="tcp"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await upstream.ask(WWW)
        server.answering["tcp"] = ADDRESS
        assert await answered(upstream) == ["192.0.2.1"]
        assert server.connections == 2
