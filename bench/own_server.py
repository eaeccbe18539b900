"""Our side of the benchmarks that issue: a data folder in which names are registered, and `zonemint up` on it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.acme_client import Job, certificate_request
from bench.cpu import pinned, running
from zonemint.acmedns import accounts
from zonemint.app.dynamic import change
from zonemint.app.zone_list import auth_of
from zonemint.config import DataDir, load
from zonemint.store import txt
from zonemint.store.database import Steps
from zonemint.store.records import DynamicRecord
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["DOMAIN", "UNSYNCED", "ZONEMINT", "Running", "free_port", "lift_limits", "ours", "prepare", "serve"]

DOMAIN = "bench.test"
ZONEMINT = (str(Path(sys.executable).with_name("zonemint")),)
UNSYNCED = (sys.executable, "-m", "bench.unsynced")
_START = 30.0  # seconds
_NO_LIMIT = {
    "\n[acmedns]\n": "registrations_per_minute = 0\nupdates_per_minute = 0\n",
    "\n[limits]\n": "orders_per_address = 0\norders_per_account = 0\n",
}


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and what its clients need."""

    pid: int
    port: int
    directory: str
    context: ssl.SSLContext
    jobs: Sequence[Job]


@contextmanager
def ours(folder: Path, certificates: int) -> Iterator[Running]:
    """Run `zonemint up` on a new folder in which so many names are registered."""
    data = DataDir(folder / "zonemint")
    jobs = prepare(data, certificates)
    with serve(data, jobs) as server:
        yield server


def prepare(data: DataDir, names: int) -> list[Job]:
    """Make a data folder with registered names, and return what is to be ordered."""
    command = [*ZONEMINT, "init", "--data", str(data.path), "--domain", DOMAIN]
    subprocess.run(command, check=True, capture_output=True, timeout=_START)
    lift_limits(data.config)
    return asyncio.run(_registered(data, names))


def lift_limits(settings: Path) -> None:
    """Let one address ask as much as it likes, as all clients here have the same."""
    text = settings.read_text(encoding="utf-8")
    for table, lines in _NO_LIMIT.items():
        text = text.replace(table, table + lines, 1)
    settings.write_text(text, encoding="utf-8")


@contextmanager
def serve(data: DataDir, jobs: Sequence[Job], program: Sequence[str] = ZONEMINT) -> Iterator[Running]:
    """Run `zonemint up` on a folder, on core 0."""
    port = free_port()
    listen = ["--listen", "127.0.0.1", "--dns-port", "0", "--http-port", "0", "--https-port", str(port)]
    command = [*program, "up", "--data", str(data.path), *listen, "--external-url", f"https://localhost:{port}"]
    with running(pinned(0, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        if not any(line.startswith("ready") for line in child.stdout):
            raise RuntimeError("zonemint up did not become ready")
        context = ssl.create_default_context(cafile=str(data.pki / "root.crt"))
        yield Running(child.pid, port, "/acme/acme/directory", context, jobs)


def free_port() -> int:
    """Find a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _registered(data: DataDir, certificates: int) -> list[Job]:
    """Do for all names at once what `zonemint register` does for one, and return what is to be ordered."""
    config = load(data.config)
    zone, now_ms = config.domain, int(time.time() * 1000)
    names = [f"h{number:06}.{zone}" for number in range(certificates)]
    made = [accounts.new(auth_of(config), (), "bench", now_ms=now_ms) for _ in names]

    def alias(name: str, target: str) -> DynamicRecord:
        return DynamicRecord(zone, f"_acme-challenge.{name}", "CNAME", f"{target}.", 300, now_ms, "bench")

    def insert() -> Steps[None]:
        for account, _ in made:
            yield from txt.insert(account)

    db = SqliteDatabase(data.database)
    try:
        aliases = [alias(name, account.fulldomain) for name, (account, _) in zip(names, made, strict=True)]
        await change(db, config, data, zone, actor="bench", add=aliases, also=insert)
    finally:
        await db.close()
    return [
        Job(name, certificate_request(name), {"X-Api-User": one.username, "X-Api-Key": one.password}, one.subdomain)
        for name, (_, one) in zip(names, made, strict=True)
    ]
