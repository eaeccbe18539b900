"""A running server between dig, kdig and delv on one side and BIND and another zonemint, over TLS, on the other."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.cli.program import run
from tests.interop.programs import run_program
from tests.ports import free_ports
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Ports, Running, running, until

pytestmark = pytest.mark.interop

ZONE = """\
$TTL 300
@       SOA   ns h 1 3600 600 86400 60
@       NS    ns
ns      A     127.0.0.1
www     A     192.0.2.1
alias   CNAME www
back    CNAME ca.lab.test.
far     CNAME www.elsewhere.test.
*.wild  TXT   "any"
"""


def named_config(folder: Path, port: int) -> Path:
    (folder / "zone").write_text(ZONE + "big TXT " + " ".join(f'"{"x" * 200}{n}"' for n in range(20)) + "\n")
    config = folder / "named.conf"
    config.write_text(
        f"""\
options {{
  directory "{folder}";
  key-directory "{folder}";
  listen-on port {port} {{ {HOST}; }};
  listen-on-v6 {{ none; }};
  pid-file "{folder}/named.pid";
  session-keyfile "{folder}/session.key";
  lock-file none;
  recursion yes;
  dnssec-validation no;
  empty-zones-enable no;
}};
controls {{}};
zone "signed.example" {{ type primary; file "{folder}/zone"; dnssec-policy default; inline-signing yes; }};
zone "." {{ type primary; file "{folder}/root"; }};
"""
    )
    (folder / "root").write_text("$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
    return config


def dig(port: int, *words: str) -> str:
    base = [require_program("dig"), f"@{HOST}", "-p", str(port), "+time=10", "+tries=1"]
    return run_program([*base, *words], {"HOME": "/nonexistent"})


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """BIND with a zone that it signs, and a root of its own; the value is its port."""
    folder = tmp_path_factory.mktemp("named")
    (port,) = free_ports(1)
    config = named_config(folder, port)
    log = (folder / "log").open("w")

    def is_signed() -> bool:
        query = dns.message.make_query("www.signed.example", "A", want_dnssec=True)
        try:
            return len(dns.query.udp(query, HOST, 1, port).answer) == 2
        except (OSError, dns.exception.Timeout):
            return False

    with subprocess.Popen([require_program("named"), "-c", config, "-g", "-n", "1"], stderr=log) as process:
        try:
            until(is_signed, "BIND has signed the zone")
            yield port
        finally:
            process.kill()
            log.close()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Another zonemint; the values are its root and its port of DNS over TLS."""
    folder = tmp_path_factory.mktemp("elsewhere") / "data"
    (port,) = free_ports(1)
    assert run("init", "--domain", DOMAIN, "--data", folder).returncode == 0
    (folder / "zones/elsewhere.test.zone").write_text("www 60 A 192.0.2.80\n")
    with running(folder, None, "--dot-port", str(port)) as server:
        yield server.root, port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, named: int, elsewhere: tuple[Path, int]) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("forwarding") / "data"
    root, dot = elsewhere
    ports = Ports.free()
    assert run("init", "--domain", DOMAIN, "--data", folder).returncode == 0
    file = folder / "zonemint.toml"
    settings = f"""\
servers = ["{HOST}:{named}"]
tls_roots = {json.dumps(str(root))}
zones = {{ "elsewhere.test" = "tls://ns1.{DOMAIN}@{HOST}:{dot}", "loop.test" = "{HOST}:{ports.dns}" }}
"""
    file.write_text(file.read_text().replace('# servers = "system"\n', settings))
    assert run("zone", "add", DOMAIN, "shop", "60", "CNAME", "alias.signed.example.", "--data", folder).returncode == 0
    with running(folder, ports) as one:
        yield one


def test_dig_and_kdig_are_answered(server: Running) -> None:
    kdig = [require_program("kdig"), f"@{HOST}", "-p", str(server.ports.dns), "+timeout=10", "+retry=0"]
    for said in (dig(server.ports.dns, "wWw.signed.example"), run_program([*kdig, "wWw.signed.example"])):
        assert re.search(r"status: NOERROR", said)
        assert re.search(r"[Ff]lags: qr rd ra;", said)
        assert re.search(r"^wWw\.signed\.example\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1$", said, re.MULTILINE | re.IGNORECASE)
        assert "WARNING" not in said


def test_chains_through_both(server: Running) -> None:
    port = server.ports.dns
    expected = ["alias.signed.example.", "www.signed.example.", "192.0.2.1"]
    assert dig(port, f"shop.{DOMAIN}", "+short").split() == expected
    assert dig(port, "back.signed.example", "+short").split() == [f"ca.{DOMAIN}.", HOST]
    assert dig(port, "far.signed.example", "+short").split() == ["www.elsewhere.test.", "192.0.2.80"]


def test_what_is_too_long_comes_over_tcp(server: Running) -> None:
    said = dig(server.ports.dns, "big.signed.example", "TXT", "+ignore")
    assert "flags: qr tc rd ra; QUERY: 1, ANSWER: 0" in said
    assert dig(server.ports.dns, "big.signed.example", "TXT", "+short").count("xxx19") == 1


def test_names_that_are_not_there(server: Running) -> None:
    said = dig(server.ports.dns, "nothing.signed.example")
    assert "status: NXDOMAIN" in said
    assert re.search(r"^signed\.example\.\s+60\s+IN\s+SOA\s", said, re.MULTILINE)
    assert "status: NXDOMAIN" in dig(server.ports.dns, "1.0.0.10.in-addr.arpa", "PTR")
    assert "status: REFUSED" in dig(server.ports.dns, "+norecurse", "unknown.signed.example")


def test_a_validator_behind_us_finds_all_that_it_needs(server: Running, tmp_path: Path) -> None:
    """BIND's delv validates answers, aliases, wildcards and both kinds of nothing, all through our memory."""
    port = server.ports.dns
    key = dig(port, "signed.example", "DNSKEY", "+short", "+nosplit").strip().split(" ", 3)
    anchor = f'trust-anchors {{ signed.example. static-key {key[0]} {key[1]} {key[2]} "{key[3]}"; }};\n'
    (tmp_path / "anchor").write_text(anchor)
    delv = [
        require_program("delv"),
        f"@{HOST}",
        "-p",
        str(port),
        "-a",
        str(tmp_path / "anchor"),
        "+root=signed.example",
    ]
    for _ in range(2):
        for name, type_, word in (
            ("www", "A", "; fully validated"),
            ("alias", "A", "; fully validated"),
            ("a.wild", "TXT", "; fully validated"),
            ("nothing", "A", "; negative response, fully validated"),
            ("www", "AAAA", "; negative response, fully validated"),
        ):
            assert word in run_program([*delv, f"{name}.signed.example", type_]), name


def test_a_loop_is_told_and_answered(server: Running) -> None:
    until(lambda: "comes back to us" in server.said(), "the loop is found")
    said = dig(server.ports.dns, "host.loop.test")
    assert "status: SERVFAIL" in said
    assert "EDE: 0 (Other): (the servers to ask lead back to this one)" in said


def test_it_is_counted(server: Running, named: int) -> None:
    for _ in range(2):
        dig(server.ports.dns, "ns.signed.example")
    counts = dict(
        re.findall(r"^(zonemint_(?:cache|forward)_\S+) (\S+)$", server.fetch("/metrics").decode(), re.MULTILINE)
    )
    assert float(counts['zonemint_cache_hits_total{type="success"}']) >= 1
    assert float(counts["zonemint_cache_misses_total"]) >= 1
    assert float(counts[f'zonemint_forward_responses_total{{rcode="NOERROR",to="{HOST}:{named}"}}']) >= 1
    assert counts[f'zonemint_forward_up{{to="{HOST}:{server.ports.dns}"}}'] == "0.0"
