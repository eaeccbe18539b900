"""The three servers of the original set-up, each by itself: a foreign DNS server, a CA and an acme-dns of ours.

Knot serves the domain and hands the questions for the auth zone on, as CoreDNS does with `forward`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.interop.programs import names_of, run_program
from tests.programs import require_program
from tests.server import HOST, Ports, running, until

VENV = Path(sys.executable).parent
CONFIG = """\
server:
    listen: {host}@{port}
    rundir: {folder}
database:
    storage: {folder}
remote:
  - id: acmedns
    address: {host}@{acmedns}
mod-dnsproxy:
  - id: auth
    remote: acmedns
    fallback: off
zone:
  - domain: lab.test
    file: {folder}/lab.test.zone
  - domain: auth.lab.test
    module: mod-dnsproxy/auth
"""
ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
{lines}
"""


@contextmanager
def knot(folder: Path, port: int, acmedns: int, lines: str) -> Iterator[None]:
    """Run Knot for the domain."""
    folder.mkdir()
    (folder / "lab.test.zone").write_text(ZONE.format(lines=lines))
    config = folder / "knot.conf"
    config.write_text(CONFIG.format(host=HOST, port=port, folder=folder, acmedns=acmedns))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([require_program("knotd"), "-c", config], stdout=log, stderr=log)

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            reply = dns.query.udp(dns.message.make_query("lab.test", "SOA"), HOST, timeout=1, port=port)
        except dns.exception.Timeout:
            return False
        return bool(reply.answer)

    try:
        until(answers, "Knot answers")
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.interop
def test_certbot_gets_a_certificate_through_three_servers(tmp_path: Path) -> None:
    api_ports, ca_ports, dns_port = Ports.free(), Ports.free(), Ports.free().dns
    with running(tmp_path / "acmedns", api_ports, "--only", "acmedns", "--plain-http") as api:
        request = urllib.request.Request(f"{api.plain}/register", b"", method="POST")
        with urllib.request.urlopen(request, timeout=30) as reply:
            account = json.load(reply)
        storage = tmp_path / "acmedns.json"
        storage.write_text(json.dumps({"host.lab.test": {**account, "server_url": api.plain}}))
        alias = f"_acme-challenge.host CNAME {account['fulldomain']}."
        words = ["--only", "ca", "--resolver", f"{HOST}:{dns_port}"]
        with (
            knot(tmp_path / "knot", dns_port, api_ports.dns, alias),
            running(tmp_path / "ca", ca_ports, *words) as ca,
        ):
            with pytest.raises(OSError, match="refused"):
                ca.ask("lab.test", "SOA", tcp=True)
            said = run_program(
                [
                    *(str(VENV / "certbot"), "certonly", "--manual", "--manual-auth-hook", "zonemint-certbot-hook"),
                    *("--preferred-challenges", "dns", "--non-interactive", "--agree-tos", "-m", "admin@example.org"),
                    *("--server", ca.directory, "-d", "host.lab.test"),
                    *[f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")],
                ],
                {
                    "PATH": f"{VENV}:/usr/bin:/bin",
                    "ACMEDNS_STORAGE": str(storage),
                    "ACMEDNS_RESOLVER": f"{HOST}:{dns_port}",
                    "REQUESTS_CA_BUNDLE": str(ca.root),
                },
            )
            assert names_of(tmp_path / "config/live/host.lab.test/fullchain.pem") == ["host.lab.test"], said
