"""An ACME client that never gives up: it repeats what was not answered, and writes down what it was told."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import msgspec

from bench.acme_client import JOSE, Client, ConnectionLost, Reply, Unexpected
from tests.crash.ledger import Ledger

__all__ = ["BAD_NONCE", "PATIENCE", "Persistent", "kind"]

PATIENCE = 60.0  # seconds in which a repeated request must be answered, for an outage of a second or two
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"
_REPLAYS = 0.05  # of the requests are followed by the replay of an older one
_HEARD = 100  # requests of which one is replayed
_PAUSE = 0.1  # seconds before a request is repeated
_ANSWER = 20.0  # seconds that a server which runs may take


class Persistent(Client):
    """A client of all nodes, by turns: when one does not answer, the next is asked.

    A lost connection, a 503 and a refused nonce are repeated (RFC 8555 section 6.5), each after a short pause; anything
    else that is not a success is an error. `repeated` tells that the last request had to be, so that its first try may
    have been heard.
    """

    polls = 2400
    pause = 0.025

    def __init__(self, context: ssl.SSLContext, ports: Sequence[int], ledger: Ledger, rng: random.Random) -> None:
        super().__init__(context, ports[0])
        self._ports = ports
        self._ledger = ledger
        self._rng = rng
        self._heard: deque[tuple[str, bytes]] = deque(maxlen=_HEARD)
        self._is_open = False
        self.repeated = False

    async def connect(self) -> None:
        """Connect to any node that takes it, as soon as one does; raises OSError after long."""
        await self.close()
        end = time.monotonic() + PATIENCE
        while True:
            self._port = self._rng.choice(self._ports)
            try:
                await super().connect()
            except OSError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_PAUSE)
            else:
                self._is_open = True
                return

    async def close(self) -> None:
        """End the connection, if there is one."""
        if self._is_open:
            self._is_open = False
            with suppress(OSError):
                await super().close()

    async def open(self, directory_path: str) -> None:
        """Make the account, and write it down."""
        await super().open(directory_path)
        self._ledger.accounts[self.kid] = self.thumbprint

    async def post(self, url: str, payload: Mapping[str, object] | None = None) -> Reply:
        """Send a signed request until it is answered, signed anew each time."""

        async def once() -> Reply:
            body = self.signed(url, payload)
            reply = await self._answered("POST", url, body, JOSE)
            if reply.status < 400:
                self._heard.append((url, body))
            return reply

        reply = await self._persist(once)
        if self._rng.random() < _REPLAYS:
            await self._persist(self._replay)
        if url == self.directory["newOrder"]:
            self._ledger.orders[reply.headers["location"]] = self.kid
        return reply

    async def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request until it is answered."""
        reply = await self._persist(lambda: self._answered(method, url, body, headers))
        if url == "/update":
            asked = msgspec.json.decode(body)
            self._ledger.values.setdefault(asked["subdomain"], []).append(asked["txt"])
        return reply

    async def _replay(self) -> Reply:
        """Send what was heard, just now or before a crash, once more: no node may take its nonce again."""
        url, body = self._rng.choice(self._heard)
        reply = await self._answered("POST", url, body, JOSE)
        if kind(reply) == BAD_NONCE:
            self._ledger.counts["replays refused"] += 1
            return Reply(200)
        if reply.status != 503:
            raise Unexpected(f"{url}: a used nonce was taken: {reply.status} {reply.body!r}", reply)
        return reply

    async def _persist(self, once: Callable[[], Awaitable[Reply]]) -> Reply:
        end = time.monotonic() + PATIENCE
        last: Exception
        self.repeated = False
        while True:
            try:
                reply = await once()
            except (OSError, ConnectionLost, TimeoutError) as error:
                why, last = type(error).__name__, error
                await self.connect()
            else:
                if reply.status == 503:
                    assert reply.headers.get("retry-after"), reply
                if reply.status != 503 and kind(reply) != BAD_NONCE:
                    if reply.status >= 400:
                        raise Unexpected(f"{reply.status} {reply.body.decode(errors='replace')}", reply)
                    return reply
                why, last = str(reply.status), Unexpected(f"{reply.status} {reply.body!r}", reply)
            if time.monotonic() > end:
                raise last
            self.repeated = True
            self._ledger.counts[f"repeated after {why}"] += 1
            await asyncio.sleep(_PAUSE)

    async def _answered(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        async with asyncio.timeout(_ANSWER):
            return await self.send(method, url, body, headers)


def kind(reply: Reply) -> str:
    """Return the type of a problem document, or an empty text."""
    if reply.headers.get("content-type") != "application/problem+json":
        return ""
    return str(reply.json()["type"])
