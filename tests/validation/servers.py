"""Little servers on loopback that answer what a test wants, and what validation needs to find them."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

from zonemint.core.trace import Event
from zonemint.validation.fence import Fence
from zonemint.validation.method import Claim, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.reach import Reach
from zonemint.validation.resolver import Answer, Resolver, Rr

__all__ = ["CLAIM", "EXPECTED", "HOST", "OPEN", "Talk", "looked", "reach", "resolver", "serving"]

HOST = "host.lab.test"
CLAIM = Claim("dns", HOST, False, "token", "thumbprint", "https://ca.lab.test/acme/acme/account/1")
EXPECTED = CLAIM.key_authorization
OPEN = Fence(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")))

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def resolver(*records: str) -> Resolver:
    """Answer from lines of `NAME TYPE VALUE`; a name that is in none of them does not exist."""
    rows = [Rr(*line.split()) for line in records]

    async def resolve(name: str, type_: str, tell: Tell) -> Answer:
        found = tuple(row for row in rows if row.name == name and row.type in (type_, "CNAME"))
        rcode = "NOERROR" if any(row.name == name for row in rows) else "NXDOMAIN"
        tell(Event(time.time(), "dns-query", "ca", detail=f"{type_} {name}? {rcode}"))
        return Answer("192.0.2.53:53", rcode, found, 1.0)

    return resolve


def reach(*records: str, fence: Fence = OPEN, timeout: float = 5.0) -> Reach:
    """The way to hosts that those records have, by default to one on loopback."""
    return Reach(resolver(*(records or (f"{HOST} A 127.0.0.1",))), fence, time.time, timeout)


@asynccontextmanager
async def serving(talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on a free port, which is given."""

    under_way: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            under_way.discard(task)

    server = await asyncio.start_server(answer, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in (tasks := list(under_way)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def looked(
    check: Callable[[Claim, Tell], Awaitable[Outcome]], claim: Claim = CLAIM
) -> tuple[Outcome, list[Event]]:
    """Make one attempt; return its outcome and its events."""
    events: list[Event] = []
    return await check(claim, events.append), events
