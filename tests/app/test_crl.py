from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from tests.app.client import Client
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
    prepared = client.order(f"revoked.{DOMAIN}")
    client.set_values(prepared)
    client.respond(prepared)
    leaf = x509.load_pem_x509_certificate(client.finish(prepared).encode())
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
