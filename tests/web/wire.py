"""HTTP/1.1 by hand over TLS or plain TCP, so that a test sees every byte that a server sends."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Reply", "exchange", "request"]

_PATIENCE = 20.0  # seconds


class Reply(NamedTuple):
    """Status, headers in their order and letter case, body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The only value of a header, None when it is missing."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value for one, value in self.headers if one.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The type of a problem document without the URN's prefix; what is none fails the test."""
        assert self.header("Content-Type") == "application/problem+json", self
        document = self.json()
        assert document["status"] == self.status
        assert document["detail"]
        type_: str = document["type"]
        prefix = "urn:ietf:params:acme:error:"
        assert type_.startswith(prefix)
        return type_.removeprefix(prefix)


def request(method: str, path: str, host: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Write a request down; the connection is closed after the reply."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def exchange(port: int, sent: bytes, *, tls: ssl.SSLContext | None = None, host: str | None = None) -> Reply:
    """Send bytes to a port of 127.0.0.1 and read the one reply."""
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=host if tls is not None else None
        )
        try:
            writer.write(sent)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            start, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
            return Reply(int(start.split(" ")[1]), headers, await reader.read())
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
