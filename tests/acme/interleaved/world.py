"""A world whose only sockets are those of DNS: the ACME handlers on a real store, clients, a clock, and death."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import dns.rcode
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK

from tests.acme import client as clients
from tests.acme.interleaved.mortal import Fate, MortalPostgres, MortalSqlite
from tests.acme.signing import b64url
from tests.validation.nameserver import NameServer
from tests.web import wire
from tests.web.lab import DOMAIN, HOST, Clock, settings
from zonemint.app.base import Base
from zonemint.app.ca import Ca
from zonemint.app.examination import Verdict, examine
from zonemint.config import Acme, DataDir, Validation
from zonemint.config.values import Seconds
from zonemint.pki import authority
from zonemint.store.database import Rows, Sql, Steps
from zonemint.store.transfer.opening import snapshot
from zonemint.web.endpoint import Call, Sources
from zonemint.web.routes import dispatcher

__all__ = ["Client", "World"]

_SOURCE = "192.0.2.9"


class World:
    """One server's lives on one store; `database` is a URL, or empty for a file in the folder.

    failed: replies that no request may ever get.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._data = DataDir(folder)
        self._database = database
        self._authority = authority.create(self._data.pki, name="Lab", domains=[DOMAIN], now=time.time())
        self.clock = Clock()
        self._nameserver = NameServer()
        self._values: dict[str, list[str]] = {}
        self._lies = False
        self.failed: list[str] = []
        self._outer = AsyncExitStack()

    async def begin(self) -> None:
        """Have DNS, and the first life."""
        await self._outer.enter_async_context(self._nameserver.running())
        asked: dict[str, str | tuple[str, ...]] = {DOMAIN: self._nameserver.address}
        validation = Validation(resolvers=asked, attempts=3, interval=Seconds(0.01), timeout=Seconds(0.08))
        # Authorizations end before their orders, so that some are over when the order is finalized.
        lifetimes = Acme(order_lifetime=Seconds(5 * 86400), authorization_lifetime=Seconds(3600))
        self._config = settings(validation=validation, acme=lifetimes)
        await self._live()

    async def end(self) -> None:
        """End it all."""
        await self.crash()
        await self._outer.aclose()

    async def _live(self) -> None:
        self.fate = Fate(self.clock)
        if self._database:
            self.db: MortalSqlite | MortalPostgres = await MortalPostgres.open(self._database)  # type: ignore[assignment]
        else:
            self.db = MortalSqlite(self._data.database)
        self.db.fate = self.fate
        self._stack = AsyncExitStack()
        base = Base(self._config, self._data, self.db, self.clock, "127.0.0.1", self._stack)
        self.ca = await Ca.start(base, self._authority, own_dns=("127.0.0.1", 9), http_port=80)
        self._routes = dispatcher(self.ca.resources(Sources())[0])
        await self.ca.take_up()

    async def crash(self) -> None:
        """Lose everything that is not in the store."""
        self.fate.die()
        wrong = self.fate.wrong
        tasks = asyncio.all_tasks() - {asyncio.current_task(), *getattr(self.db, "_tasks", ())}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()
        await self.db.close()
        assert wrong == []

    async def restart(self) -> None:
        """Crash, and live again on the same store."""
        await self.crash()
        await self._live()

    async def outlive_leases(self) -> None:
        """Wait until nodes of a shared store take up what a dead one was at; a file's next process did so at once."""
        if self._database:
            self.clock.offset += 60
            await self.ca.validator.look_after()

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"", host: str = HOST
    ) -> wire.Reply:
        """Answer a request as the listener does."""
        endpoint, texts = self._routes.find(path)
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        reply = await endpoint.respond(Call(method, lower, texts, "", body, _SOURCE, path))
        if reply.status >= 500:
            self.failed.append(f"{method} {path}: {reply.status} {reply.body!r}")
        return wire.Reply(reply.status, reply.headers, reply.body)

    def publish(self, name: str, value: str) -> None:
        """Set a value that proves control of a name, beside the newest others."""
        self._values[name] = [*self._values.get(name, []), value][-4:]
        self._tell()

    def say(self, what: str) -> None:
        """Have the name server answer `right`, `wrong`, with an error (`broken`), or only when told else (`late`)."""
        self._nameserver.silent = what == "late"
        self._nameserver.rcode = dns.rcode.SERVFAIL if what == "broken" else None
        self._lies = what == "wrong"
        self._tell()

    def _tell(self) -> None:
        told = ((name, "no proof" if self._lies else value) for name, held in self._values.items() for value in held)
        self._nameserver.lines = [f'_acme-challenge.{name} TXT "{value}"' for name, value in told]

    async def rows(self, text: str) -> Rows:
        """Ask the store."""

        def steps() -> Steps[Rows]:
            return (yield Sql(text))

        return await self.db.read(steps())

    async def examined(self) -> list[Verdict]:
        """Return what `zonemint db check` finds wrong."""
        async with snapshot(self._database, self._data.database) as store:
            return [one async for one in examine(store, every=True, progress=lambda *_: None) if one.wrong]


class Client(clients.Client):
    """A client whose values are set at the world's name server."""

    def __init__(self, world: World) -> None:
        super().__init__(world)  # type: ignore[arg-type]
        self.world = world
        self.key = ec.generate_private_key(ec.SECP256R1())

    async def publish(self, challenge: dict[str, Any], name: str = "") -> None:
        """Set the value that proves control of a name."""
        thumbprint = JWK.load(clients.public_pem(self.signer)).thumbprint()
        value = b64url(sha256(f"{challenge['token']}.{b64url(thumbprint)}".encode()).digest())
        self.world.publish(name, value)
