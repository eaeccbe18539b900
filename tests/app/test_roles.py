"""Parts of a server that run alone: what each listens on, serves, keeps in its folder, and says of the others."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.cli.program import ENV, run
from tests.server import HOST, Ports, Running, running, until, words_of

VALUE = "v" * 43


def post(url: str, body: bytes = b"", headers: dict[str, str] | None = None, cafile: Path | None = None) -> bytes:
    request = urllib.request.Request(url, body, headers or {}, method="POST")
    context = ssl.create_default_context(cafile=str(cafile)) if cafile else None
    with urllib.request.urlopen(request, timeout=30, context=context) as reply:
        return bytes(reply.read())


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def self_signed(folder: Path, serial: int) -> tuple[Path, Path]:
    """Make a certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def shown_serial(server: Running) -> int:
    pem = ssl.get_server_certificate((HOST, server.ports.https), timeout=30)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def refused(folder: Path, *words: str) -> str:
    command = words_of(folder, Ports.free(), *words)
    done = subprocess.run(command, capture_output=True, text=True, env=ENV, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()[-1]


def test_acmedns_alone_without_tls(tmp_path: Path) -> None:
    """What stands for acme-dns inside a cluster."""
    folder = tmp_path / "data"
    with running(folder, None, "--only", "acmedns", "--plain-http") as server:
        account = json.loads(post(f"{server.plain}/register"))
        headers = {"X-Api-User": account["username"], "X-Api-Key": account["password"]}
        body = json.dumps({"subdomain": account["subdomain"], "txt": VALUE}).encode()
        post(f"{server.plain}/update", body, headers)

        assert server.answers(account["fulldomain"], "TXT") == [f'"{VALUE}"']
        assert server.answers("auth.lab.test", "NS") == ["auth.lab.test."]
        assert server.answers("auth.lab.test", "A") == [HOST]
        assert server.answers("auth.lab.test", "SOA")[0].startswith("auth.lab.test. ")
        for foreign in ("lab.test", "ca.lab.test", "ns1.lab.test"):
            assert server.ask(foreign, "A").rcode() == dns.rcode.REFUSED
        assert server.fetch("/ready") == b"OK"
        assert b"zonemint_dns_responses" in server.fetch("/metrics")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            server.fetch("/roots.pem")
        assert not listens(server.ports.https)
        assert "auth.lab.test. NS auth.lab.test." in server.screen
        registered = server.register("host", "--for", "json")
        assert "_acme-challenge.host.lab.test.\t300\tIN\tCNAME\t" in registered.stderr
        told = json.loads(registered.stdout)["host.lab.test"]
        assert told["server_url"] == f"http://auth.lab.test:{server.ports.http}"
        assert b"OK" in server.fetch("/ready")
    assert not (folder / "pki").exists()
    assert not (folder / "zones").exists()


def test_acmedns_alone_with_a_certificate_that_changes(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, 1)
    words = ["--only", "acmedns", "--certificate", str(certificate), "--key", str(key)]
    with running(tmp_path / "data", None, *words) as server:
        assert "fulldomain" in json.loads(post(f"{server.url}/register", cafile=certificate))
        with pytest.raises(urllib.error.HTTPError, match="404"):
            server.fetch("/register")
        key.write_text("half a file")
        until(lambda: "the old one stays" in server.said(), "a broken pair is told of")
        assert shown_serial(server) == 1
        self_signed(tmp_path, 2)
        until(lambda: shown_serial(server) == 2, "the new certificate is served")
        assert server.fetch("/ready") == b"OK"


def test_dns_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder, None, "--only", "dns") as server:
        assert server.answers("ns1.lab.test", "A") == [HOST]
        for elsewhere in ("ca.lab.test", "auth.lab.test"):
            assert server.ask(elsewhere, "A").rcode() == dns.rcode.NXDOMAIN
        zone = folder / "zones/lab.test.zone"
        zone.write_text(zone.read_text() + "auth NS auth\nauth A 192.0.2.53\nca A 192.0.2.1\n")
        until(lambda: server.answers("ca.lab.test", "A") == ["192.0.2.1"], "the file is read")
        query = dns.message.make_query("x.auth.lab.test", "TXT", flags=0)
        referral = dns.query.udp(query, HOST, timeout=30, port=server.ports.dns)
        assert [one.to_text() for one in referral.additional] == ["auth.lab.test. 300 IN A 192.0.2.53"]
        assert run("zone", "add", "lab.test", "www", "60", "A", "192.0.2.7", "--data", folder).returncode == 0
        assert server.answers("www.lab.test", "A") == ["192.0.2.7"]
        assert not listens(server.ports.https)
        assert server.fetch("/ready") == b"OK"
    assert not (folder / "pki").exists()


def test_the_settings_say_the_same_as_the_options(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert run("init", "--domain", "lab.test", "--only", "dns", "--data", folder).returncode == 0
    assert 'roles = ["dns"]' in (folder / "zonemint.toml").read_text()
    with running(folder) as server:
        assert not listens(server.ports.https)
        done = server.register("host")
        assert "register at the server that has it" in done.stderr
        assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--only", "acmedns"], "listen.certificate: no CA runs here"),
        (["--only", "ca"], "validation.resolver: no DNS server for the domains runs here"),
        (["--only", "mail"], "roles: it must be a list of some of ca, dns, acmedns"),
        (["--only", "acmedns", "--certificate", "x.crt"], "certificate and key are set together"),
        (["--only", "acmedns", "--certificate", "/nowhere/x", "--key", "/nowhere/y"], "/nowhere/x: with its key"),
    ],
)
def test_a_role_that_lacks_something_says_what(tmp_path: Path, words: list[str], why: str) -> None:
    assert why in refused(tmp_path / "data", *words)


def test_two_servers_on_one_folder_are_refused_without_keys_too(tmp_path: Path) -> None:
    with running(tmp_path / "data", None, "--only", "dns"):
        assert "another zonemint serves this folder already" in refused(tmp_path / "data", "--only", "dns")
