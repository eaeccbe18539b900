"""Knot follows a signed zone by IXFR and finds each version of it valid; BIND resolves by it and validates."""

from __future__ import annotations

import asyncio
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode

from tests.dns.dnssec.signed import TEXT, make
from tests.ports import free_ports
from tests.programs import require_program
from zonemint.dns import codes, wire
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.answers.views import Views
from zonemint.dns.server import DnsServer
from zonemint.dns.transfer.outgoing import Transfers
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals
from zonemint.dns.zones.records import RRset
from zonemint.dns.zones.zone import Zone

PATIENCE = 30  # seconds


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as child:
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


async def asked(port: int, name: str, type_: str) -> dns.message.Message | None:
    query = dns.message.make_query(name, type_, want_dnssec=True)
    try:
        return await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=5)
    except (dns.exception.DNSException, OSError):
        return None


def serving(zone: Zone) -> tuple[DnsServer, Transfers]:
    catalog = Catalog()
    catalog.put(zone)
    journals = Journals(catalog)
    journals.keep(zone.origin)
    transfers = Transfers(catalog, journals, may=lambda *_: True)
    handler = authenticated(lambda name: None, transfers.answer)
    types = {codes.AXFR: handler, codes.IXFR: handler}
    return DnsServer(Views(Responder(catalog, Services(types=types)))), transfers


async def test_knot_follows_a_signed_zone_and_validates_it(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    zone, _ = make(TEXT.replace("3600 600 86400", "1 1 86400"), clock=time.time)
    server, transfers = serving(zone)
    await server.start(["127.0.0.1"], 0)
    (tmp_path / "knot.conf").write_text(f"""\
server:
  rundir: {tmp_path}
  listen: 127.0.0.1@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: {tmp_path}
remote:
  - id: primary
    address: 127.0.0.1@{server.port}
zone:
  - domain: lab.test
    file: {tmp_path}/lab.test.zone
    master: primary
    dnssec-validation: on
    refresh-max-interval: 2
""")
    log = tmp_path / "log"
    try:
        with running([require_program("knotd"), "-c", str(tmp_path / "knot.conf")], log):

            async def comes_to(serial: int) -> None:
                async with asyncio.timeout(PATIENCE):
                    while True:
                        message = await asked(port, "lab.test", "SOA")
                        if message is not None and message.answer and message.answer[0][0].serial == serial:
                            return
                        await asyncio.sleep(0.1)

            await comes_to(7)
            for serial in (8, 9):
                changes: dict[tuple[bytes, int], RRset | None] = {}
                changes[wire.name_from_text(f"n{serial}.new.lab.test"), codes.A] = RRset(codes.A, 60, (b"\xc0\0\2\1",))
                if serial == 9:
                    changes[wire.name_from_text("srv.lab.test"), codes.SRV] = None
                zone.apply(changes, serial)
                await comes_to(serial)
            for name, type_ in (("n9.new.lab.test", "A"), ("srv.lab.test", "SRV"), ("lab.test", "DNSKEY")):
                ours, theirs = await asked(server.port, name, type_), await asked(port, name, type_)
                assert ours is not None
                assert theirs is not None
                assert (ours.rcode(), ours.answer) == (theirs.rcode(), theirs.answer)
    finally:
        await server.close()
    said = log.read_text()
    assert transfers.sent["IXFR"] == 2
    assert transfers.sent["AXFR"] == 1
    assert said.count("validation successful") == 3, said


async def test_named_resolves_by_a_signed_zone_and_says_so(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    zone, key = make(clock=time.time)
    server, _ = serving(zone)
    await server.start(["127.0.0.1"], 0)
    public = b64encode(key.dnskey[4:]).decode()
    (tmp_path / "named.conf").write_text(f"""\
options {{
  directory "{tmp_path}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  lock-file none;
  recursion yes;
  dnssec-validation yes;
}};
controls {{ }};
trust-anchors {{ "lab.test" static-key 257 3 13 "{public}"; }};
zone "lab.test" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {server.port}; }}; }};
""")
    command = [require_program("named"), "-g", "-n", "1", "-c", str(tmp_path / "named.conf")]
    try:
        with running(command, tmp_path / "log"):
            async with asyncio.timeout(PATIENCE):
                while await asked(port, "lab.test", "SOA") is None:  # noqa: ASYNC110 - the other side is a program
                    await asyncio.sleep(0.1)
            for name, type_, rcode in (
                ("mail.lab.test", "A", dns.rcode.NOERROR),
                ("x.wild.lab.test", "TXT", dns.rcode.NOERROR),
                ("mail.lab.test", "TXT", dns.rcode.NOERROR),
                ("nobody.lab.test", "A", dns.rcode.NXDOMAIN),
                ("c.lab.test", "A", dns.rcode.NOERROR),
                ("insecure.lab.test", "DS", dns.rcode.NOERROR),
            ):
                message = await asked(port, name, type_)
                assert message is not None
                assert message.rcode() == rcode, name
                assert message.flags & dns.flags.AD, name
    finally:
        await server.close()
