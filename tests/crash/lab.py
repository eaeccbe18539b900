"""What a run works on: the servers, the store that they share, and the ledger."""

from __future__ import annotations

import asyncio
import random
import shutil
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.program import run
from tests.crash.client import PATIENCE, Persistent
from tests.crash.ledger import Ledger
from tests.crash.nodes import Node
from tests.server import DOMAIN
from zonemint.app import edits
from zonemint.config import DataDir, load
from zonemint.core.errors import ConfigError, StoreUnavailable
from zonemint.dns.zones.records import Record
from zonemint.store.database import Rows, Sql, Steps
from zonemint.store.opening import Store, open_store

__all__ = ["Lab"]


_ACTOR = "cli:crash"
_SETTINGS = f"""\
domain = "{DOMAIN}"
[validation]
attempts = 6
interval = "1s"
[store]
database = "{{database}}"
[acmedns]
registrations_per_minute = 0
updates_per_minute = 0
[limits]
orders_per_address = 0
orders_per_account = 0
"""


@dataclass(frozen=True, slots=True)
class Lab:
    """One store and the nodes on it; `lag` is how many seconds after a change a record may be old in DNS."""

    data: DataDir
    nodes: Sequence[Node]
    lag: float
    ledger: Ledger = field(default_factory=Ledger)
    directory: str = "/acme/acme/directory"

    @classmethod
    def on_sqlite(cls, folder: Path) -> Lab:
        """Make a folder and the one node that may serve it."""
        # A command takes longer to end; a server looks that often for what others wrote.
        return cls(DataDir(folder), [_node(folder, ())], lag=0.01)

    @classmethod
    def on_postgres(cls, folder: Path, database: str, *, keyless: bool) -> Lab:
        """Make two nodes on one empty database, of which the second may have to do without the CA's key."""
        # One URL for both: the clients know it, and find a node behind it themselves.
        words = ("--external-url", f"https://ca.{DOMAIN}")
        folder.mkdir(parents=True)
        nodes = [_node(folder / "one", words, database)]
        if not keyless:
            shutil.copytree(folder / "one/pki", folder / "two/pki")
        nodes.append(_node(folder / "two", words, database))
        return cls(DataDir(folder / "one"), nodes, lag=5.0)

    def client(self, rng: random.Random) -> Persistent:
        """Make an ACME client of all nodes."""
        trust = ssl.create_default_context(cafile=str(self.data.pki / "root.crt"))
        return Persistent(trust, [node.ports.https for node in self.nodes], self.ledger, rng)

    async def edit(self, name: str, type_: str, data: str, *, add: bool) -> None:
        """Add or remove a record as a command does, beside the servers; what the store could not do is repeated."""
        config = load(self.data.config)
        record = edits.read_record(DOMAIN, name, 60, type_, [data])
        end = time.monotonic() + PATIENCE
        repeated = False
        while True:
            try:
                db = await open_store(config.store.database, self.data.database)
                try:
                    if add:
                        await edits.add(db, config, self.data, DOMAIN, record, actor=_ACTOR, by=_ACTOR)
                    else:
                        await self._remove(db, record, repeated=repeated)
                finally:
                    await db.close()
            except StoreUnavailable:
                if time.monotonic() > end:
                    raise
                repeated = True
                self.ledger.counts["edits repeated"] += 1
                await asyncio.sleep(0.1)
            else:
                self.ledger.records[record.name, record.type, record.data] = add
                return

    async def _remove(self, db: Store, record: Record, *, repeated: bool) -> None:
        config = load(self.data.config)
        try:
            await edits.remove(db, config, self.data, DOMAIN, record.name, record.type, record.data, actor=_ACTOR)
        except ConfigError:
            # It may have gone with the first try.
            if not repeated:
                raise

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store, of which no SQLite server may be left."""

        def steps() -> Steps[Rows]:
            return (yield Sql(sql))

        db = await open_store(load(self.data.config).store.database, self.data.database)
        try:
            return [tuple(row) for row in await db.read(steps())]
        finally:
            await db.close()


def _node(folder: Path, words: Sequence[str], database: str = "") -> Node:
    """Make a node's folder; one that finds an authority in the database joins it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zonemint.toml").write_text(_SETTINGS.format(database=database))
    made = run("init", "--data", folder)
    assert made.returncode == 0, made.stderr
    return Node(folder, words)
