"""The whole server on loopback, inside the test's own event loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rdatatype
from msgspec.structs import replace

from tests.postgres import query
from tests.web.wire import Reply, exchange, request
from zonemint.app import dynamic
from zonemint.app.server import Server
from zonemint.config import Config, DataDir, Listen, Validation
from zonemint.config.values import Seconds
from zonemint.pki import authority
from zonemint.pki.authority import Authority
from zonemint.store.opening import open_store
from zonemint.store.records import DynamicRecord

__all__ = ["Clock", "DOMAIN", "HOST", "Lab", "running", "settings"]

DOMAIN = "lab.test"
HOST = "ca.lab.test"


@dataclass
class Clock:
    """The wall clock, until a test moves it."""

    offset: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


@dataclass
class Lab:
    """A running server with what a test needs to talk to it; the external URL is never the socket's address."""

    server: Server
    config: Config
    data: DataDir
    authority: Authority
    clock: Clock
    tls: ssl.SSLContext = field(repr=False)
    txt: dict[str, str] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"", host: str = HOST
    ) -> Reply:
        """One request over TLS that trusts only the root."""
        return await self.send_raw(request(method, path, host, headers, body))

    async def send_raw(self, sent: bytes) -> Reply:
        return await exchange(self.server.https_port, sent, tls=self.tls, host=HOST)

    async def ask(self, name: str, type_: str) -> dns.message.Message:
        """Ask the DNS server in one real packet, which has room for every value of an account."""
        query = dns.message.make_query(name, type_, use_edns=0, payload=1232)
        return await dns.asyncquery.udp(query, "127.0.0.1", port=self.server.dns_port, timeout=5)

    async def texts(self, name: str) -> list[str]:
        """The TXT values that DNS has for a name, aliases followed."""
        answer = (await self.ask(name, "TXT")).answer
        return [
            b"".join(rdata.strings).decode() for rrset in answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset
        ]

    async def add_record(self, name: str, type_: str, data: str) -> None:
        """Add a dynamic record as the command line does, from beside the server, and wait until it is served."""
        db = await open_store(self.config.store.database, self.data.database)
        record = DynamicRecord(self.config.domain, name, type_, data, 60, int(self.clock() * 1000), "test")
        assert await dynamic.change(db, self.config, self.data, self.config.domain, actor="test", add=[record])
        await db.close()
        async with asyncio.timeout(5):
            while not (await self.ask(name, type_)).answer:  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.002)

    async def delegate(self, name: str) -> None:
        """What `register` does, once for a name: the alias that leads to this lab's one account of the TXT API."""
        alias = f"_acme-challenge.{name.lower().removeprefix('*.')}"
        if not self.txt:
            self.txt |= (await self.send("POST", "/register")).json()
        if not (await self.ask(alias, "CNAME")).answer:
            await self.add_record(alias, "CNAME", self.txt["fulldomain"] + ".")

    async def set_txt(self, value: str) -> None:
        """Set a value at the end of all those aliases."""
        headers = {"X-Api-User": self.txt["username"], "X-Api-Key": self.txt["password"]}
        body = json.dumps({"subdomain": self.txt["subdomain"], "txt": value}).encode()
        assert (await self.send("POST", "/update", headers, body)).status == 200

    def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """What the store holds, read by the engine itself; parameters are `?` in their order."""
        if self.config.store.database:
            for number in range(1, len(args) + 1):
                sql = sql.replace("?", f"${number}", 1)
            return query(self.config.store.database, sql, *args)
        with closing(sqlite3.connect(f"file:{self.data.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, args).fetchall()


def settings(**changes: Any) -> Config:
    """Free ports of loopback, and validations that give up soon."""
    config = Config(
        DOMAIN,
        external_url=f"https://{HOST}",
        listen=Listen(address="127.0.0.1", dns_port=0, https_port=0, http_port=0),
        validation=Validation(attempts=2, interval=Seconds(0.02), timeout=Seconds(1)),
    )
    return replace(config, **changes)


@asynccontextmanager
async def running(
    folder: Path,
    config: Config | None = None,
    *,
    clock: Clock | None = None,
    refit: Callable[[Authority], Authority] = lambda ca: ca,
) -> AsyncIterator[Lab]:
    """Start on a folder, new or left by an earlier run; `refit` changes the folder's authority before it is used."""
    config, clock, data = config or settings(), clock or Clock(), DataDir(folder)
    now = time.time()
    if not data.pki.exists():
        data.zones.mkdir(parents=True)
        authority.create(data.pki, name="Lab", domains=config.domains, now=now)
    ca = refit(authority.load(data.pki, now=now))
    tls = ssl.create_default_context(cadata=ca.roots_pem.decode())
    async with Server(data, config, ca, clock) as server:
        yield Lab(server, config, data, ca, clock, tls)
