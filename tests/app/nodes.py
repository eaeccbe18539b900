"""Several nodes on one PostgreSQL, in the test's own loop, and a client's view of them through a load balancer."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message

from tests.web.lab import Lab, running, settings
from tests.web.wire import Reply, exchange
from zonemint.config import Store
from zonemint.pki.authority import Authority

__all__ = ["HOST", "Nodes", "nodes"]

HOST = "ca.lab.test"


@dataclass
class Nodes(Lab):
    """Each request, and each question, goes to the next node; `statuses` counts the replies."""

    each: list[Lab] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = cycle(self.each)
        self.statuses: Counter[int] = Counter()

    async def send_raw(self, sent: bytes) -> Reply:
        reply = await exchange(next(self._turns).server.https_port, sent, tls=self.tls, host=HOST)
        self.statuses[reply.status] += 1
        return reply

    async def ask(self, name: str, type_: str) -> dns.message.Message:
        query = dns.message.make_query(name, type_, use_edns=0, payload=1232)
        return await dns.asyncquery.udp(query, "127.0.0.1", port=next(self._turns).server.dns_port, timeout=5)


@asynccontextmanager
async def nodes(folder: Path, url: str, *, keys: tuple[bool, ...], **changes: Any) -> AsyncIterator[Nodes]:
    """Start a node for each of `keys`, which says whether it has the CA's key; the first one must."""
    config = settings(store=Store(url), **changes)
    async with AsyncExitStack() as stack:
        each: list[Lab] = []
        for number, has_key in enumerate(keys):
            data = folder / f"node-{number}"
            if each:
                shutil.copytree(each[0].data.pki, data / "pki", ignore=shutil.ignore_patterns("server.*"))
                (data / "zones").mkdir()
            node = running(data, config, refit=_unchanged if has_key else _without_key)
            each.append(await stack.enter_async_context(node))
        first = each[0]
        yield Nodes(first.server, first.config, first.data, first.authority, first.clock, first.tls, each=each)


def _unchanged(authority: Authority) -> Authority:
    return authority


def _without_key(authority: Authority) -> Authority:
    return authority.with_key(None)
