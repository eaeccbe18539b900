"""What a run works on: the servers, the store that they share, and the ledger."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import ssl
import time
from collections.abc import Sequence
from contextlib import closing
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
from zonemint.dns.zone import Record
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["Lab"]


@dataclass(frozen=True, slots=True)
class Lab:
    """One store and the nodes on it."""

    data: DataDir
    nodes: Sequence[Node]
    ledger: Ledger = field(default_factory=Ledger)
    directory: str = "/acme/acme/directory"

    @classmethod
    def on_sqlite(cls, folder: Path) -> Lab:
        """Make a folder and the one node that may serve it."""
        folder.mkdir(parents=True)
        (folder / "zonemint.toml").write_text(f'domain = "{DOMAIN}"\n[validation]\nattempts = 6\ninterval = "1s"\n')
        made = run("init", "--data", folder)
        assert made.returncode == 0, made.stderr
        return cls(DataDir(folder), [Node(folder)])

    @property
    def dns_ports(self) -> list[int]:
        """Where the nodes answer DNS."""
        return [node.ports.dns for node in self.nodes]

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
                db = SqliteDatabase(self.data.database)
                try:
                    if add:
                        await edits.add(db, config, self.data, DOMAIN, record, by="crash test")
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

    async def _remove(self, db: SqliteDatabase, record: Record, *, repeated: bool) -> None:
        config = load(self.data.config)
        try:
            await edits.remove(db, config, self.data, DOMAIN, record.name, record.type, record.data)
        except ConfigError:
            # It may have gone with the first try.
            if not repeated:
                raise

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the store, which no server may have open."""
        with closing(sqlite3.connect(self.data.database)) as db:
            return db.execute(sql).fetchall()
