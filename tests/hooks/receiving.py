"""A real HTTP server that takes events, and answers as it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Got", "Receiving", "receiving"]


@dataclass(frozen=True, slots=True)
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(slots=True)
class Receiving:
    """What came, and what is answered: the statuses in their order, then 204 for ever."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def types(self) -> list[str]:
        return [one.event["type"].removeprefix("zonemint.") for one in self.got]

    def subjects(self) -> str:
        return " ".join(one.event["subject"] for one in self.got)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiving]:
    """Serve on a free port of loopback."""
    one = Receiving(statuses=list(statuses))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])}
        body = await reader.readexactly(int(headers["content-length"]))
        one.got.append(Got(head[0].split()[1], headers, body))
        status = one.statuses.pop(0) if one.statuses else 204
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {0 if status == 204 else 6}\r\n\r\n".encode())
        if status != 204:
            writer.write(b"so so\n")
        with suppress(OSError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield one
