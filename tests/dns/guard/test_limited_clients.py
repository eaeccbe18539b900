"""Real clients beyond the limit: those who are there get their answers all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.dns.asking import lab_catalog
from tests.programs import require_program
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Denial, Terms
from zonemint.dns.server import DnsServer


@asynccontextmanager
async def serving(terms: Terms) -> AsyncIterator[DnsServer]:
    server = DnsServer(Views(Responder(lab_catalog(), terms=terms)))
    await server.start(["127.0.0.1"], 0)
    try:
        async with asyncio.timeout(20):
            yield server
    finally:
        await server.close()


async def dig(server: DnsServer, *words: str) -> str:
    ask = ("@127.0.0.1", f"-p{server.port}", "+tries=1", "+time=5", "www.lab.test", "TXT")
    child = await asyncio.create_subprocess_exec(require_program("dig"), *ask, *words, stdout=asyncio.subprocess.PIPE)
    return (await child.communicate())[0].decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "BADCOOKIE, retrying"), (("+nocookie",), "Truncated, retrying in TCP mode"), (("+tcp",), "")],
)
async def test_dig_beyond_the_limit(words: tuple[str, ...], said: str) -> None:
    """The clock stands still, so the one answer that goes out by itself is all that there is."""
    limit = RateLimit(1, slip=1, burst=1, clock=lambda: 10**9)
    async with serving(Terms(cookies=Cookies(bytes(32)), limit=limit)) as server:
        assert '"hello"' in await dig(server, "+nocookie")
        output = await dig(server, *words)
        assert said in output
        assert '"hello"' in output
        assert server.limited()["truncated"] == (said != "")


async def test_who_is_ignored_has_no_connection_either() -> None:
    async with serving(Terms(denial=Denial.IGNORE)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        finally:
            writer.transport.abort()
        assert len(server._connections) == 0
