"""The laboratory: a folder with a real server on free ports, and the real programs that talk to it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from zonemint.config import DataDir
from zonemint.core.errors import ConfigError, NotHeld

__all__ = ["Lab", "Ports", "Programs", "find_programs"]

_START = 15.0  # seconds that the server has to say `ready`
_STOP = 10.0  # seconds that it has to end
_LONGEST = 60.0  # seconds for any other program
_ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Programs:
    """The search path that finds all programs, and that they find each other with; and the certbot on it."""

    path: str
    certbot: str


def find_programs() -> Programs:
    """Look beside the interpreter first, then in $PATH; raises ConfigError when one is missing."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = {name: shutil.which(name, path=path) for name in ("zonemint", "zonemint-certbot-hook", "certbot")}
    missing = [name for name, place in found.items() if place is None]
    if importlib.util.find_spec("OpenSSL") is None:
        missing.append("pyOpenSSL")
    if missing:
        raise ConfigError(f'the demo needs {" and ".join(missing)}: pip install "zonemint[demo]"')
    return Programs(path, str(found["certbot"]))


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of the loopback address; DNS has one number for UDP and TCP."""

    dns: int
    https: int
    http: int

    @classmethod
    def pick(cls) -> Ports:
        """Hold them all at once, so that they differ; raises OSError."""
        while True:
            with ExitStack() as held:
                https, http, dns = (_bind(held, socket.SOCK_STREAM) for _ in range(3))
                try:
                    _bind(held, socket.SOCK_DGRAM, dns)
                except OSError:
                    continue
                return cls(dns, https, http)


@dataclass(frozen=True, slots=True)
class Lab:
    """Everything happens in `folder`; `domain` is a normalized name."""

    folder: Path
    domain: str
    programs: Programs
    ports: Ports = field(default_factory=Ports.pick)

    @property
    def data(self) -> DataDir:
        """The server's data folder."""
        return DataDir(self.folder / "data")

    @property
    def accounts(self) -> Path:
        """The file of acme-dns accounts that `zonemint register` fills."""
        return self.data.path / "acmedns.json"

    @property
    def resolver(self) -> str:
        """The DNS server, as address and port."""
        return f"{_ADDRESS}:{self.ports.dns}"

    def live(self, name: str) -> Path:
        """Return the folder in which certbot keeps the newest certificate of a name."""
        return self.folder / "certbot" / "live" / name

    def first_up(self) -> list[str]:
        """Return the command that makes an empty folder a server."""
        ports = ["--dns-port", str(self.ports.dns), "--https-port", str(self.ports.https)]
        ports += ["--http-port", str(self.ports.http), "--external-url", f"https://localhost:{self.ports.https}"]
        return self.command("up", "--domain", self.domain, "--listen", _ADDRESS, *ports)

    def command(self, *words: str) -> list[str]:
        """Return a command of ours on the data folder."""
        return ["zonemint", *words, "--data", str(self.data.path)]

    def certbot_words(self, registered: str, *more: str) -> list[str]:
        """Return the line that `zonemint register` printed, and what keeps certbot quiet and in this folder."""
        folders = [f"--{kind}-dir={self.folder / 'certbot'}" for kind in ("config", "work", "logs")]
        return [*shlex.split(registered), *more, "-n", "--agree-tos", "--register-unsafely-without-email", *folders]

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; raises NotHeld when it takes too long."""
        with self._spawn(words, subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=_LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
                raise NotHeld(f"{shlex.join(words[:3])} did not end within {_LONGEST:.0f} s") from None
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    @contextmanager
    def serving(self, words: Sequence[str]) -> Iterator[str]:
        """Run the server as a process of its own and give its `ready` line; raises NotHeld."""
        log = self.folder / "server.log"
        with log.open("w", encoding="utf-8") as out:
            server = self._spawn(words, out)
            try:
                yield _wait_until_ready(server, log)
                if server.poll() is not None:
                    raise NotHeld(f"the server ended with status {server.returncode}: {_last_line(log)}")
            finally:
                server.terminate()
                try:
                    server.wait(_STOP)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()

    def _spawn(self, words: Sequence[str], output: int | TextIO) -> subprocess.Popen[str]:
        """Start a program; an interruption waits until we know the process, and ends it then."""
        caught: list[int] = []
        handlers = {
            number: signal.signal(number, lambda one, _: caught.append(one))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            process = subprocess.Popen(  # noqa: S603 - the words are ours
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                errors="replace",
                env=self._environment(),
                cwd=self.folder,
            )
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if caught:
            process.kill()
            process.communicate()
            raise KeyboardInterrupt
        return process

    def _environment(self) -> dict[str, str]:
        """Return the environment of the children: nothing in it leads them out of the laboratory."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ACMEDNS_", "ZONEMINT_")) and not key.lower().endswith("_proxy")
        }
        return {
            **kept,
            "PATH": self.programs.path,
            "XDG_CONFIG_HOME": str(self.folder),
            "ACMEDNS_RESOLVER": self.resolver,
        }


def _bind(held: ExitStack, kind: socket.SocketKind, port: int = 0) -> int:
    sock = held.enter_context(socket.socket(socket.AF_INET, kind))
    sock.bind((_ADDRESS, port))
    return int(sock.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        ended = server.poll() is not None
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            if line.startswith("ready") and line.endswith("\n"):
                return line.strip()
        if ended:
            raise NotHeld(f"the server did not start: {_last_line(log)}")
        time.sleep(0.02)
    raise NotHeld(f"the server was not ready within {_START:.0f} s: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
