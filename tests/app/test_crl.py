from __future__ import annotations

import json
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.app.client import Client
from tests.cli.program import run
from tests.programs import require_program
from tests.server import DOMAIN, Running, running, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("crl") / "data") as one:
        yield one


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Client]:
    assert server.register("revoked").returncode == 0
    with closing(Client(server)) as one:
        yield one


def current(server: Running) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(server.fetch("/crl"))


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def entry_of(server: Running, leaf: x509.Certificate) -> x509.RevokedCertificate | None:
    return current(server).get_revoked_certificate_by_serial_number(leaf.serial_number)


def revoke(server: Running, client: Client, reason: int) -> x509.Certificate:
    """Get a certificate, have it revoked, and wait until the list has it."""
    leaf = client.issue(f"revoked.{DOMAIN}")
    client.acme.revoke(leaf, reason)
    until(lambda: entry_of(server, leaf) is not None, "the serial is on the list", seconds=10)
    return leaf


def test_a_revoked_certificate_is_on_the_list_soon_and_its_number_grows(server: Running, client: Client) -> None:
    before = number(current(server))
    leaf = revoke(server, client, 4)
    entry = entry_of(server, leaf)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    assert number(current(server)) > before
    # The certificate says where the list is: at our name and at the port of the plain listener.
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    at = points[0].full_name[0].value
    host, _, path = at.removeprefix("http://").partition("/")
    assert host == f"ca.{DOMAIN}:{server.ports.http}"
    assert server.fetch(f"/{path}") == server.fetch("/crl")


def test_openssl_and_gnutls_verify_the_list(server: Running, client: Client, tmp_path: Path) -> None:
    openssl, certtool = require_program("openssl"), require_program("certtool")
    leaf = revoke(server, client, 0)
    crl, pem, chain = tmp_path / "crl.der", tmp_path / "crl.pem", tmp_path / "intermediate.pem"
    crl.write_bytes(server.fetch("/crl"))
    chain.write_bytes(server.get("/intermediates.pem"))
    done = subprocess.run(
        [openssl, "crl", "-inform", "DER", "-in", crl, "-CAfile", chain, "-text", "-out", pem],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "verify OK" in done.stderr
    assert f"{leaf.serial_number:X}" in pem.read_text()
    done = subprocess.run(
        [certtool, "--verify-crl", "--load-ca-certificate", chain, "--infile", pem],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout


def test_the_list_is_the_same_over_https_and_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path / "data") as one:
        first = one.fetch("/crl")
        assert one.get("/crl") == first
    with running(tmp_path / "data", one.ports) as two:
        assert two.fetch("/crl") == first


def test_what_the_certificates_point_to_is_there_without_tls(server: Running) -> None:
    issuer = x509.load_der_x509_certificate(server.fetch("/intermediate.crt"))
    own = x509.load_pem_x509_certificates((server.folder / "pki/server.crt").read_bytes())
    assert own[1] == issuer
    assert json.loads(server.get("/acme/acme/directory"))["revokeCert"]


def root_list(server: Running) -> bytes:
    """What curl wants of a root whose key is kept elsewhere: a list without entries, made by its key."""
    root = x509.load_pem_x509_certificate((server.folder / "pki/root.crt").read_bytes())
    key = load_pem_private_key((server.folder / "pki/root.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject)
    made = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1)).sign(key, SHA256())
    return made.public_bytes(Encoding.PEM)


def test_curl_refuses_a_server_whose_certificate_is_revoked(tmp_path: Path) -> None:
    curl = require_program("curl")
    with running(tmp_path / "data") as server:
        own = x509.load_pem_x509_certificate((server.folder / "pki/server.crt").read_bytes())
        (tmp_path / "root.pem").write_bytes(server.fetch("/roots.pem"))

        def status() -> int:
            lists = current(server).public_bytes(Encoding.PEM) + root_list(server)
            (tmp_path / "lists.pem").write_bytes(lists)
            url = f"https://localhost:{server.ports.https}/roots.pem"
            options = ("--cacert", tmp_path / "root.pem", "--crlfile", tmp_path / "lists.pem")
            return subprocess.run([curl, "-sS", "-o", "/dev/null", *options, url], timeout=30).returncode

        assert status() == 0
        assert run("certs", "revoke", f"{own.serial_number:x}", "--data", server.folder).returncode == 0
        until(lambda: entry_of(server, own) is not None, "the serial is on the list", seconds=10)
        assert status() == 60, "the peer's certificate cannot be authenticated"


def test_certificates_point_to_lists_of_windows_and_openssl_checks_with_them(tmp_path: Path) -> None:
    openssl = require_program("openssl")
    data = tmp_path / "data"
    assert run("init", "--domain", DOMAIN, "--data", data).returncode == 0
    settings = data / "zonemint.toml"
    settings.write_text(settings.read_text().replace("# crl_days = 0", "crl_days = 30"))
    with running(data) as server:
        own = x509.load_pem_x509_certificate((server.folder / "pki/server.crt").read_bytes())
        points = own.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert points[0].full_name is not None
        path = points[0].full_name[0].value.removeprefix(f"http://ca.{DOMAIN}:{server.ports.http}")
        assert path.count("/") == 3
        for name, content in (("root", "/roots.pem"), ("between", "/intermediates.pem")):
            (tmp_path / f"{name}.pem").write_bytes(server.fetch(content))
        (tmp_path / "leaf.pem").write_bytes(own.public_bytes(Encoding.PEM))

        def verified(list_: str) -> str:
            crl = x509.load_der_x509_crl(server.fetch(list_))
            (tmp_path / "list.pem").write_bytes(crl.public_bytes(Encoding.PEM))
            return subprocess.run(
                [
                    *(openssl, "verify", "-crl_check", "-x509_strict", "-extended_crl"),
                    *("-CAfile", str(tmp_path / "root.pem"), "-untrusted", str(tmp_path / "between.pem")),
                    *("-CRLfile", str(tmp_path / "list.pem"), str(tmp_path / "leaf.pem")),
                ],
                capture_output=True,
                text=True,
                timeout=30,
            ).stderr

        until(lambda: status_of(server, path) == 200, "the window has a list", seconds=10)
        assert verified(path) == ""
        assert "different CRL scope" in verified("/crl"), "the list for all is not the one of the window"
        assert run("certs", "revoke", f"{own.serial_number:x}", "--data", data).returncode == 0
        until(lambda: "certificate revoked" in verified(path), "the window's list has it", seconds=10)
        begins, _, ends = path.rpartition("/")[2].partition("-")
        for wrong in (f"{begins}-{int(ends) + 1}", "x", f"{begins}-", "1-2-3", "-1-0"):
            assert status_of(server, f"{path.rpartition('/')[0]}/{wrong}") == 404


def status_of(server: Running, path: str) -> int:
    try:
        server.fetch(path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200
