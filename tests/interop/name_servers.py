"""Knot, NSD and BIND as primaries and secondaries of ours, on ports of loopback, with a shared key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.name
import dns.query
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone

from tests.ports import free_ports
from tests.programs import require_program
from tests.server import HOST, until

__all__ = ["KEY", "NAMES", "Foreign", "foreign", "records", "started"]

NAMES = ("knotd", "nsd", "named")
KEY = "xfr.key"

Records = set[tuple[str, int, str, str]]


@dataclass
class Foreign:
    """A foreign name server that runs: where, and what it reads."""

    program: str
    folder: Path
    port: int
    secret: str
    process: Any = None

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def has(self, zone: str) -> bool:
        try:
            query = dns.message.make_query(zone, "SOA")
            return bool(dns.query.udp(query, HOST, 2, self.port).answer)
        except (OSError, dns.exception.Timeout):
            return False


def records(port: int, zone: str, secret: str) -> Records:
    """Fetch a whole zone; the letter case of names in data is as the server has it."""
    copy = dns.zone.Zone(zone, relativize=False)
    key = dns.tsig.Key(KEY, secret, "hmac-sha256")
    query, _ = dns.xfr.make_query(copy, keyring=key)
    dns.query.inbound_xfr(HOST, copy, query, port=port, timeout=20)
    return {
        (str(name), ttl, dns.rdatatype.to_text(rdata.rdtype), rdata.to_text())
        for name, ttl, rdata in copy.iterate_rdatas()
    }


def knotd(one: Foreign, zone: str, other: int, file: Path | None, catalog: str) -> list[str]:
    """Configure Knot as a secondary of ours, or with a file as our primary."""
    config = f"""\
server:
  rundir: {one.folder}
  listen: {HOST}@{one.port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: {one.folder}
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: {one.secret}
remote:
  - id: ours
    address: {HOST}@{other}
    key: {KEY}
acl:
  - id: all
    key: {KEY}
    action: [transfer, update, notify]
template:
  - id: default
    storage: {one.folder}
    zonefile-sync: -1
    zonefile-load: difference
    journal-content: all
    acl: all
  - id: member
    storage: {one.folder}
    zonefile-load: none
    zonefile-sync: -1
    master: ours
    acl: all
zone:
"""
    if catalog and file is None:
        config += (
            f"  - domain: {catalog}\n    master: ours\n    catalog-role: interpret\n    catalog-template: member\n"
        )
    elif file is None:
        config += f"  - domain: {zone}\n    template: member\n"
    else:
        member = f"\n    catalog-role: member\n    catalog-zone: {catalog}" if catalog else ""
        config += f"  - domain: {zone}\n    file: {file}\n    notify: ours{member}\n"
        if catalog:
            config += f"  - domain: {catalog}\n    catalog-role: generate\n    notify: ours\n"
    (one.folder / "knot.conf").write_text(config)
    return [require_program("knotd"), "-c", str(one.folder / "knot.conf")]


def nsd(one: Foreign, zone: str, other: int, file: Path | None, catalog: str) -> list[str]:
    """Configure NSD the same way."""
    assert not catalog
    config = f"""\
server:
  ip-address: {HOST}
  port: {one.port}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "{one.folder}"
  pidfile: "{one.folder}/nsd.pid"
  zonelistfile: "{one.folder}/zone.list"
  xfrdfile: "{one.folder}/xfrd.state"
  xfrdir: "{one.folder}"
  xfrd-reload-timeout: 0
  rrl-ratelimit: 0
  verbosity: 3
remote-control:
  control-enable: no
key:
  name: {KEY}
  algorithm: hmac-sha256
  secret: "{one.secret}"
zone:
  name: {zone}
  provide-xfr: {HOST} {KEY}
"""
    if file is None:
        config += (
            f"  zonefile: {one.folder}/copy.zone\n  allow-notify: {HOST} {KEY}\n  request-xfr: {HOST}@{other} {KEY}\n"
        )
    else:
        config += f"  zonefile: {file}\n  store-ixfr: yes\n  create-ixfr: yes\n  notify: {HOST}@{other} {KEY}\n"
    (one.folder / "nsd.conf").write_text(config)
    return [require_program("nsd"), "-d", "-c", str(one.folder / "nsd.conf")]


def named(one: Foreign, zone: str, other: int, file: Path | None, catalog: str) -> list[str]:
    """Configure BIND the same way."""
    assert not catalog
    peer = f"{{ {HOST} port {other} key {KEY}; }}"
    config = f"""\
options {{
  directory "{one.folder}";
  listen-on port {one.port} {{ {HOST}; }};
  listen-on-v6 {{ none; }};
  pid-file "{one.folder}/named.pid";
  session-keyfile "{one.folder}/session.key";
  lock-file none;
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
  notify explicit;
  notify-delay 0;
}};
controls {{ }};
key "{KEY}" {{ algorithm hmac-sha256; secret "{one.secret}"; }};
"""
    if file is None:
        rest = f'type secondary; file "{one.folder}/copy.zone"; primaries {peer}; allow-notify {{ key {KEY}; }}'
    else:
        rest = f'type primary; file "{file}"; also-notify {peer}; allow-update {{ key {KEY}; }}'
    config += f'zone "{zone}" {{ {rest}; allow-transfer {{ key {KEY}; }}; }};\n'
    (one.folder / "named.conf").write_text(config)
    return [require_program("named"), "-g", "-n", "1", "-c", str(one.folder / "named.conf")]


_CONFIGURED = {"knotd": knotd, "nsd": nsd, "named": named}


@contextmanager
def started(
    one: Foreign, zone: str, other: int, *, file: Path | None = None, catalog: str = "", is_asked: bool = True
) -> Iterator[None]:
    """Run a server that has the zone from us, whose port is `other`, or, with a file, has it for us."""
    one.folder.mkdir(exist_ok=True)
    command = _CONFIGURED[one.program](one, zone, other, file, catalog)
    with (
        (one.folder / "log").open("w") as out,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        one.process = process
        try:
            until(lambda: process.poll() is not None or not is_asked or one.has(zone), f"{one.program} has {zone}")
            assert process.poll() is None, one.log()
            yield
        finally:
            process.terminate()
            process.wait(20)


def foreign(program: str, folder: Path, secret: str) -> Foreign:
    """Prepare a server."""
    (port,) = free_ports(1)
    return Foreign(program, folder, port, secret)
