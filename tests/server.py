"""A real `zonemint up` in a process of its own, on loopback and free ports, and questions to it."""

from __future__ import annotations

import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query

from tests.cli.program import ENV, ZONEMINT, run
from tests.ports import free_ports

__all__ = ["DOMAIN", "HOST", "Ports", "Running", "launch", "running", "until", "words_of"]

HOST = "127.0.0.1"
DOMAIN = "lab.test"
_PATIENCE = 30.0  # seconds, for what takes less than one on an idle machine


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one server listens."""

    dns: int
    https: int
    http: int

    @classmethod
    def free(cls) -> Ports:
        """Find ports that nobody listens on."""
        return cls(*free_ports(3))


@dataclass(frozen=True, slots=True)
class Running:
    """A server that printed its `ready` line; `ready` is the seconds in it, `log` the file of its stderr."""

    folder: Path
    ports: Ports
    process: subprocess.Popen[str]
    screen: str
    ready: float
    log: Path

    @property
    def url(self) -> str:
        """The external URL."""
        return f"https://localhost:{self.ports.https}"

    @property
    def directory(self) -> str:
        """The URL of the ACME directory."""
        return f"{self.url}/acme/acme/directory"

    @property
    def plain(self) -> str:
        """The URL of the plain listener."""
        return f"http://{HOST}:{self.ports.http}"

    @property
    def root(self) -> Path:
        """The root certificate."""
        return self.folder / "pki/root.crt"

    def said(self) -> str:
        """Return what it has logged."""
        return self.log.read_text()

    def ask(self, name: str, type_: str, *, tcp: bool = False) -> dns.message.Message:
        """Ask its DNS one question."""
        query = dns.message.make_query(name, type_)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, HOST, timeout=_PATIENCE, port=self.ports.dns)

    def answers(self, name: str, type_: str) -> list[str]:
        """Return the record data of its answer, as text."""
        return [record.to_text() for rrset in self.ask(name, type_).answer for record in rrset]

    def get(self, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        """Fetch from the HTTPS listener, trusting only the root; POST when there is a body."""
        request = urllib.request.Request(f"{self.url}{path}", body, headers or {})
        with urllib.request.urlopen(request, timeout=_PATIENCE, context=self.trust()) as reply:
            return bytes(reply.read())

    def fetch(self, path: str) -> bytes:
        """Fetch from the plain listener."""
        with urllib.request.urlopen(f"{self.plain}{path}", timeout=_PATIENCE) as reply:
            return bytes(reply.read())

    def trust(self) -> ssl.SSLContext:
        """Return a client's TLS context that knows the root and nothing else."""
        return ssl.create_default_context(cafile=str(self.root))

    def register(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `zonemint register` on its folder."""
        return run("register", *words, "--data", self.folder)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal and wait; return the exit status and the seconds it took."""
        began = time.perf_counter()
        self.process.send_signal(number)
        status = self.process.wait(_PATIENCE)
        return status, time.perf_counter() - began


def words_of(folder: Path, ports: Ports, *more: str) -> list[str]:
    """Return the command line that starts a server."""
    words = [ZONEMINT, "up", "--data", str(folder), "--domain", DOMAIN, "--listen", HOST]
    for option, port in (("dns", ports.dns), ("https", ports.https), ("http", ports.http)):
        words += [f"--{option}-port", str(port)]
    return [*words, "--external-url", f"https://localhost:{ports.https}", *more]


def launch(folder: Path, ports: Ports | None = None, *more: str) -> Running:
    """Start a server on a folder, with more options, and wait until it is ready; the caller ends it."""
    ports = ports or Ports.free()
    log = folder.with_name(f"{folder.name}.log")
    with log.open("a") as errors:
        process = subprocess.Popen(
            words_of(folder, ports, *more),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            env=ENV,
        )
    assert process.stdout is not None
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ready"):
                return Running(folder, ports, process, "".join(lines), float(line.split()[2]), log)
    finally:
        watchdog.cancel()
    raise AssertionError(f"exit status {process.wait(_PATIENCE)} before ready: {''.join(lines)}{log.read_text()}")


@contextmanager
def running(folder: Path, ports: Ports | None = None, *more: str) -> Iterator[Running]:
    """Run a server; if the test has not ended it, it must end by itself, quickly and well."""
    server = launch(folder, ports, *more)
    assert server.process.stdout is not None
    with server.process, server.process.stdout:
        try:
            yield server
        except BaseException:
            server.process.kill()
            raise
        if server.process.poll() is None:
            status, seconds = server.end()
            assert status == 0, server.said()
            assert seconds < 10, server.said()


def until(holds: Callable[[], bool], what: str, *, seconds: float = _PATIENCE) -> None:
    """Wait for something that must come true soon."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
