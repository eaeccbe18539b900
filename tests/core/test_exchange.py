from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zonemint.core.errors import ExchangeFailed
from zonemint.core.exchange import Answer, address_of, exchange


@asynccontextmanager
async def answering(*pieces: bytes, hold: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Serve what is given, in pieces; yield the URL and what was asked."""
    asked: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        with suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if hold:
                await reader.read()
            writer.close()
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        if pieces:
            await done.wait()


async def ask(url: str, *, seconds: float = 10) -> Answer:
    return await exchange(url, context=None, timeout=seconds, limit=100)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
        (b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ],
    ids=["length", "until its end", "chunks", "an interim reply"],
)
async def test_a_whole_reply_is_returned(pieces: tuple[bytes, ...]) -> None:
    async with answering(*pieces) as (url, asked):
        assert await ask(f"{url}/a?b=c") == Answer(200, b"hello")
    assert asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "too early"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "too early"),
        (b"", "too early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + bytes(200), "more than 100"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40000, "head has more"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
    ],
    ids=["half a body", "half a head", "nothing", "too long", "long head", "another protocol"],
)
async def test_what_is_no_whole_reply_is_refused(reply: bytes, why: str) -> None:
    async with answering(reply) as (url, _):
        with pytest.raises(ExchangeFailed, match=why) as failure:
            await ask(f"{url}/secret")
    assert "secret" not in str(failure.value)


async def test_it_ends_in_time() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n", hold=True) as (url, _):
        with pytest.raises(ExchangeFailed, match=r"within 0\.2 s"):
            await ask(url, seconds=0.2)


async def test_nobody_listens() -> None:
    async with answering() as (url, _):
        pass
    with pytest.raises(ExchangeFailed, match=r"127.*: Connection refused$"):
        await ask(url)


@pytest.mark.parametrize(
    "url", ["host", "ftp://host/", "http:///x", "http://a@host", "http://h/ x", "http://h/\r\nX: y", "http://h:99999"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        address_of(url)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_whatever_comes_is_a_reply_or_an_error(noise: bytes, begun: bool) -> None:
    async def whole() -> None:
        async with answering((b"HTTP/1.1 200 OK\r\n" if begun else b"") + noise) as (url, _):
            with suppress(ExchangeFailed):
                assert len((await ask(url)).body) <= 100

    asyncio.run(whole())
