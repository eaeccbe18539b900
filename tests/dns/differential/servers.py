"""NSD, Knot and BIND on ports of loopback, each with the same zone files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.ports import free_ports
from tests.programs import require_program

__all__ = ["PROGRAMS", "oracles", "served"]

_PATIENCE = 30.0
"""Seconds until a server must have read its zones."""


def _nsd(folder: Path, port: int, files: Mapping[str, Path]) -> list[str]:
    """Configure NSD; it counts queries from one address, and must not here."""
    config = f"""\
server:
  ip-address: 127.0.0.1
  port: {port}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
"""
    for origin, file in files.items():
        config += f'zone:\n  name: "{origin}"\n  zonefile: "{file}"\n'
    (folder / "nsd.conf").write_text(config)
    return [require_program("nsd"), "-d", "-c", str(folder / "nsd.conf")]


def _knot(folder: Path, port: int, files: Mapping[str, Path]) -> list[str]:
    config = f"""\
server:
  rundir: {folder}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {folder}
zone:
"""
    for origin, file in files.items():
        config += f'  - domain: "{origin}"\n    file: {file}\n    zonefile-sync: -1\n    journal-content: none\n'
    (folder / "knot.conf").write_text(config)
    return [require_program("knotd"), "-c", str(folder / "knot.conf")]


def _named(folder: Path, port: int, files: Mapping[str, Path]) -> list[str]:
    """Configure BIND; what it would object to in a zone is what the zones are made to have."""
    config = f"""\
options {{
  directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/session.key";
  lock-file none;
  recursion no;
  allow-query {{ any; }};
  dnssec-validation no;
  empty-zones-enable no;
  check-names primary ignore;
  check-integrity no;
  check-mx ignore;
  check-mx-cname ignore;
  check-srv-cname ignore;
  check-sibling no;
  minimal-responses no-auth;
  notify no;
  zero-no-soa-ttl no;
}};
controls {{ }};
"""
    for origin, file in files.items():
        config += f'zone "{origin}" {{ type primary; file "{file}"; }};\n'
    (folder / "named.conf").write_text(config)
    return [require_program("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]


PROGRAMS: Mapping[str, Callable[[Path, int, Mapping[str, Path]], list[str]]] = {
    "nsd": _nsd,
    "knotd": _knot,
    "named": _named,
}
"""How each is configured; the command that starts it."""


@contextmanager
def served(program: str, folder: Path, files: Mapping[str, Path]) -> Iterator[int]:
    """Serve zones, given by origin and file, by one of PROGRAMS; yields the port."""
    (port,) = free_ports(1)
    home = folder / program
    home.mkdir()
    log = home / "log"
    command = PROGRAMS[program](home, port, files)
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as child,
    ):
        try:
            _wait_for(child, port, files, log)
            yield port
        finally:
            child.terminate()
            child.wait(20)


def _wait_for(child: subprocess.Popen[bytes], port: int, files: Mapping[str, Path], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    left = list(files)
    while left:
        gone = child.poll() is not None or time.monotonic() > deadline
        assert not gone, f"{left} not served:\n{log.read_text()}"
        try:
            query = dns.message.make_query(left[-1], "SOA")
            if dns.query.udp(query, "127.0.0.1", 0.5, port).answer:
                left.pop()
                continue
        except (OSError, dns.exception.Timeout):
            pass
        time.sleep(0.05)


@contextmanager
def oracles(folder: Path, zones: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Serve zones, given by origin and text, by all of PROGRAMS; yields their ports."""
    files = {}
    (folder / "zones").mkdir()
    for number, (origin, text) in enumerate(zones.items()):
        files[origin] = folder / "zones" / f"{number}.zone"
        files[origin].write_text(text)
    with ExitStack() as stack:
        yield {program: stack.enter_context(served(program, folder, files)) for program in PROGRAMS}
