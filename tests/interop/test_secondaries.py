"""Knot, NSD and BIND follow us, and we follow them: whole zones, then changes, signed."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path

import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from tests.cli.program import run
from tests.interop.name_servers import KEY, NAMES, Foreign, foreign, records, started
from tests.server import DOMAIN, HOST, Ports, Running, running, until

pytestmark = pytest.mark.interop

ZONE = "corp.test"
CATALOG = "catalog.invalid"


def prepared(folder: Path, *, dns: str = "", zones: str = "") -> str:
    """Make a data folder with more settings and the key; return its secret."""
    assert run("init", "--domain", DOMAIN, "--data", folder).returncode == 0
    file = folder / "zonemint.toml"
    file.write_text(file.read_text().replace("[dns]\n", f"[dns]\n{dns}") + zones)
    made = run("tsig", "create", KEY, "--allow", "*", "--transfer", "--data", folder, "--json")
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["secret"])


def update(port: int, zone: str, secret: str, number: int) -> None:
    """Add a name, change one, and take one away."""
    message = dns.update.UpdateMessage(zone, keyring=dns.tsig.Key(KEY, secret, "hmac-sha256"))
    message.add(f"n{number}", 60, "A", f"192.0.2.{number % 250}")
    message.add(f"n{number}", 60, "TXT", f'"number {number}"')
    message.replace("often", 30, "TXT", f'"{number}"')
    message.delete(f"n{number - 3}")
    reply = dns.query.tcp(message, HOST, 20, port)
    assert reply.rcode() == dns.rcode.NOERROR, reply


def count(server: Running, direction: str, kind: str) -> int:
    line = f'zonemint_transfers_total{{direction="{direction}",kind="{kind}"}} '
    text = server.fetch("/metrics").decode()
    return int(float(text.split(line)[1].split()[0]))


def same(server: Running, other: Foreign, zone: str) -> bool:
    return records(server.ports.dns, zone, other.secret) == records(other.port, zone, other.secret)


@pytest.mark.parametrize("program", NAMES)
def test_a_secondary_follows_by_changes_and_ends_equal(program: str, tmp_path: Path) -> None:
    ports, folder = Ports.free(), tmp_path / "data"
    other = foreign(program, tmp_path / program, "")
    settings = f'allow_transfer = ["key:{KEY}"]\nnotify = ["{HOST}:{other.port}"]\ntransfer_key = "{KEY}"\n'
    other.secret = prepared(folder, dns=settings)
    # Changes that are longer than the zone are sent as the zone.
    with (folder / f"zones/{DOMAIN}.zone").open("a") as file:
        file.writelines(f"host{number} IN A 192.0.2.1\n" for number in range(500))
    with running(folder, ports) as server, started(other, DOMAIN, ports.dns):
        until(lambda: same(server, other, DOMAIN), "the first copy")
        whole = count(server, "out", "axfr")
        for number in range(40):
            update(ports.dns, DOMAIN, other.secret, number)
        serial = server.answers(DOMAIN, "SOA")
        until(lambda: answers(other, DOMAIN) == serial, f"the newest serial\n{server.said()}{other.log()}")
        assert count(server, "out", "ixfr") >= 1
        # The test's own look at the zone is one, and no other was made.
        fetched = count(server, "out", "axfr")
        assert fetched == whole
        assert same(server, other, DOMAIN)


def is_at(other: Foreign, serial: int) -> bool:
    return answers(other, ZONE)[0].split()[2] == str(serial)


def answers(other: Foreign, zone: str) -> list[str]:
    query = dns.message.make_query(zone, "SOA")
    reply = dns.query.udp(query, HOST, 5, other.port)
    return [record.to_text() for rrset in reply.answer for record in rrset]


FILE = f"""\
$ORIGIN {ZONE}.
$TTL 300
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
www A 192.0.2.80
*.wild TXT "a b" "c"
svc SVCB 1 www alpn=h2 port=8443
mail MX 10 www
""" + "".join(f"host{number} A 192.0.2.1\n" for number in range(300))


@pytest.mark.parametrize("program", NAMES)
def test_we_follow_a_primary_by_changes_and_end_equal(program: str, tmp_path: Path) -> None:
    ports, folder = Ports.free(), tmp_path / "data"
    other = foreign(program, tmp_path / program, "")
    settings = f'[zones."{ZONE}"]\nprimaries = ["{HOST}:{other.port}"]\ntransfer_key = "{KEY}"\n'
    other.secret = prepared(folder, zones=settings)
    other.folder.mkdir()
    file = other.folder / "own.zone"
    file.write_text(FILE)
    with running(folder, ports) as server:
        with started(other, ZONE, ports.dns, file=file):
            until(
                lambda: server.answers(f"www.{ZONE}", "A") == ["192.0.2.80"], f"the zone\n{server.said()}", seconds=60
            )
            assert same(server, other, ZONE)
            for number in range(10):
                if program == "nsd":
                    file.write_text(FILE.replace(" 1 3600", f" {number + 2} 3600") + f"n{number} A 192.0.2.1\n")
                    other.process.send_signal(signal.SIGHUP)
                    until(partial(is_at, other, number + 2), "NSD has read its file")
                else:
                    update(other.port, ZONE, other.secret, number)
            wanted = answers(other, ZONE)
            until(lambda: server.answers(ZONE, "SOA") == wanted, f"the serial\n{server.said()}{other.log()}")
            assert same(server, other, ZONE)
            assert count(server, "in", "axfr") == 1
            assert count(server, "in", "ixfr") >= 1
        # With the primary gone, what was copied outlasts a restart.
        server.end()
    with running(folder, ports) as server:
        assert server.answers(ZONE, "SOA") == wanted
        assert count(server, "in", "axfr") == 0


def test_knot_follows_our_catalog(tmp_path: Path) -> None:
    ports, folder = Ports.free(), tmp_path / "data"
    other = foreign("knotd", tmp_path / "knotd", "")
    settings = f'allow_transfer = ["key:{KEY}"]\nnotify = ["{HOST}:{other.port}"]\ntransfer_key = "{KEY}"\n'
    other.secret = prepared(folder, dns=f'{settings}catalog = "{CATALOG}"\n')
    with running(folder, ports) as server, started(other, CATALOG, ports.dns, catalog=CATALOG, is_asked=False):
        until(lambda: other.has(DOMAIN), "the domain")
        assert same(server, other, DOMAIN)
        file = folder / f"zones/{ZONE}.zone"
        file.write_text(FILE)
        until(lambda: other.has(ZONE), "the new zone")
        until(lambda: same(server, other, ZONE), "its records")
        file.unlink()
        until(lambda: not other.has(ZONE), "the end of the zone")
        assert other.has(DOMAIN)


def test_we_follow_the_catalog_of_knot(tmp_path: Path) -> None:
    ports, folder = Ports.free(), tmp_path / "data"
    other = foreign("knotd", tmp_path / "knotd", "")
    settings = f'[zones."{CATALOG}"]\nprimaries = ["{HOST}:{other.port}"]\ntransfer_key = "{KEY}"\ncatalog = true\n'
    other.secret = prepared(folder, zones=settings)
    other.folder.mkdir()
    file = other.folder / "own.zone"
    file.write_text(FILE)
    with running(folder, ports) as server:
        with started(other, ZONE, ports.dns, file=file, catalog=CATALOG):
            until(lambda: server.answers(f"www.{ZONE}", "A") == ["192.0.2.80"], "the member", seconds=60)
            assert same(server, other, ZONE)
            update(other.port, ZONE, other.secret, 1)
            until(lambda: same(server, other, ZONE), "a change of the member")
        server.end()
    with running(folder, ports) as server:
        assert server.answers(f"n1.{ZONE}", "A") == ["192.0.2.1"]
        file.write_text(FILE.replace(f"$ORIGIN {ZONE}.", f"$ORIGIN {DOMAIN}."))
        with started(other, DOMAIN, ports.dns, file=file, catalog=CATALOG):
            # The catalog lists another zone now, and one that is ours, which it cannot take.
            until(lambda: not server.answers(f"www.{ZONE}", "A"), "the end of the member")
            assert server.ask(f"ca.{DOMAIN}", "A").rcode() == dns.rcode.NOERROR
            assert "a catalog lists a zone that is here already" in server.said()
