"""OCSP over HTTP: what the store knows, as other implementations ask for it."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp as reference
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.acme.client import Client as AcmeClient
from tests.acme.client import csr_of, registered
from tests.acme.signing import b64url
from tests.app.client import Client
from tests.app.nodes import nodes
from tests.cli.program import run
from tests.postgres import Postgres
from tests.programs import require_program
from tests.server import DOMAIN, Running, running
from tests.web import lab as lab_
from tests.web.wire import Reply, exchange, request
from zonemint.app import ocsp
from zonemint.config import Profile, Store

GOOD, REVOKED, UNKNOWN = (
    reference.OCSPCertStatus.GOOD,
    reference.OCSPCertStatus.REVOKED,
    reference.OCSPCertStatus.UNKNOWN,
)
SHA1, SHA256 = hashes.SHA1(), hashes.SHA256()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("ocsp") / "data") as one:
        yield one


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Client]:
    assert server.register("asked").returncode == 0
    with closing(Client(server)) as one:
        yield one


def issue(client: Client) -> x509.Certificate:
    return client.issue(f"asked.{DOMAIN}")


def files(server: Running, folder: Path, leaf: x509.Certificate) -> tuple[str, str, str]:
    """The files of root, issuer and certificate, for programs."""
    paths = folder / "root.pem", folder / "issuer.pem", folder / "leaf.pem"
    paths[0].write_bytes(server.fetch("/roots.pem"))
    paths[1].write_bytes(server.fetch("/intermediates.pem"))
    paths[2].write_bytes(leaf.public_bytes(Encoding.PEM))
    root, issuer, certificate = map(str, paths)
    return root, issuer, certificate


def openssl_says(server: Running, folder: Path, leaf: x509.Certificate, *options: str) -> list[str]:
    root, issuer, certificate = files(server, folder, leaf)
    done = subprocess.run(
        [
            *(require_program("openssl"), "ocsp", "-url", f"http://127.0.0.1:{server.ports.http}/ocsp"),
            *("-CAfile", root, "-issuer", issuer, *options, "-cert", certificate),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Response verify OK" in done.stderr, done.stderr + done.stdout
    assert "nonce" not in done.stderr.lower(), done.stderr
    return done.stdout.splitlines()


def gnutls_says(server: Running, folder: Path, leaf: x509.Certificate) -> str:
    """What it says; it wants a signer's own issuer among those that it trusts."""
    _, issuer, certificate = files(server, folder, leaf)
    done = subprocess.run(
        [
            *(require_program("ocsptool"), f"--ask=http://127.0.0.1:{server.ports.http}/ocsp", "--nonce"),
            *("--load-issuer", issuer, "--load-cert", certificate, "--load-trust", issuer),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Verifying OCSP Response: Success" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_openssl_and_gnutls_agree_with_the_store(server: Running, client: Client, tmp_path: Path, digest: str) -> None:
    leaf = issue(client)
    assert openssl_says(server, tmp_path, leaf, digest)[0].endswith(": good")
    assert "Certificate Status: good" in gnutls_says(server, tmp_path, leaf)
    revoked = run("certs", "revoke", f"{leaf.serial_number:x}", "--reason", "superseded", "--data", server.folder)
    assert revoked.returncode == 0
    # At once: another process has revoked, and nothing is cached.
    said = openssl_says(server, tmp_path, leaf, digest)
    assert said[0].endswith(": revoked")
    assert "\tReason: superseded" in said
    assert "Certificate Status: revoked" in gnutls_says(server, tmp_path, leaf)


def lab_request(
    lab: lab_.Lab, *serials: int, nonce: bytes = b"", algorithm: hashes.HashAlgorithm = SHA1, issuer: str = ""
) -> bytes:
    certificate = lab.authority.intermediate
    name = algorithm_digest(algorithm, issuer.encode() or certificate.subject.public_bytes())
    bits = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = algorithm_digest(algorithm, bits)
    (serial,) = serials
    builder = reference.OCSPRequestBuilder().add_certificate_by_hash(name, key, serial, algorithm)
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def algorithm_digest(algorithm: hashes.HashAlgorithm, content: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(content)
    return digest.finalize()


async def post(lab: lab_.Lab, der: bytes) -> Reply:
    headers = {"Content-Type": "application/ocsp-request"}
    return await exchange(lab.server.http_port, request("POST", "/ocsp", "ca.lab.test", headers, der))


async def asked(lab: lab_.Lab, der: bytes) -> reference.OCSPResponse:
    reply = await post(lab, der)
    assert (reply.status, reply.header("Content-Type")) == (200, "application/ocsp-response")
    assert reply.header("Cache-Control") == "no-store"
    return reference.load_der_ocsp_response(reply.body)


async def test_statuses_failures_and_caching(tmp_path: Path) -> None:
    config = lab_.settings(profiles={"pointing": Profile(pointers=("crl", "issuer", "ocsp"))})
    async with lab_.running(tmp_path / "data", config) as lab:
        before = len(lab.rows("SELECT serial FROM certificates"))
        acme: AcmeClient = await registered(lab)
        _, order = await acme.ready_order("pointed.lab.test", profile="pointing")
        leaf = await finished(acme, order, "pointed.lab.test")
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        urls = {one.access_method: one.access_location.value for one in access}
        assert urls[AuthorityInformationAccessOID.OCSP] == f"http://ca.lab.test:{lab.server.http_port}/ocsp"
        assert len(lab.rows("SELECT serial FROM certificates")) == before + 1, "nobody has asked yet"

        for algorithm in (SHA1, SHA256):
            said = await asked(lab, lab_request(lab, leaf.serial_number, algorithm=algorithm, nonce=b"n" * 32))
            assert said.certificate_status is GOOD
            assert said.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32
        assert len(lab.rows("SELECT serial FROM certificates")) == before + 2, "one certificate for the responder"
        assert (await asked(lab, lab_request(lab, 5))).certificate_status is UNKNOWN
        reserved = "5eed"
        assert (await asked(lab, lab_request(lab, int(reserved, 16)))).certificate_status is UNKNOWN
        own = said.certificates[0].serial_number
        assert (await asked(lab, lab_request(lab, own))).certificate_status is GOOD

        other = await asked(lab, lab_request(lab, leaf.serial_number, issuer="another"))
        assert other.response_status is reference.OCSPResponseStatus.UNAUTHORIZED
        broken = await asked(lab, b"no request")
        assert broken.response_status is reference.OCSPResponseStatus.MALFORMED_REQUEST
        assert (await post(lab, b"x" * 9000)).status == 413

        der = lab_request(lab, leaf.serial_number)
        for text in (quote(base64.b64encode(der), safe=""), base64.b64encode(der).decode()):
            reply = await exchange(lab.server.http_port, request("GET", f"/ocsp/{text}", "ca.lab.test"))
            assert reference.load_der_ocsp_response(reply.body).certificate_status is GOOD
            assert reply.header("Cache-Control") == "max-age=300, public, no-transform, must-revalidate"
            assert reply.header("ETag")
            assert reply.header("Expires")
        with_nonce = base64.b64encode(lab_request(lab, leaf.serial_number, nonce=b"n" * 16)).decode()
        reply = await exchange(lab.server.http_port, request("GET", f"/ocsp/{with_nonce}", "ca.lab.test"))
        assert reply.header("Cache-Control") == "no-store"
        reply = await exchange(lab.server.http_port, request("GET", "/ocsp/@@@", "ca.lab.test"))
        broken = reference.load_der_ocsp_response(reply.body)
        assert broken.response_status is reference.OCSPResponseStatus.MALFORMED_REQUEST

        # The responder's certificate is renewed in its time, and nothing is answered with one that has ended.
        lab.clock.offset += 4 * 86400
        later = await asked(lab, lab_request(lab, leaf.serial_number))
        assert later.certificates[0].serial_number != own


async def test_a_node_without_the_key_answers_with_a_key_of_its_own(tmp_path: Path, postgres: Postgres) -> None:
    async with nodes(tmp_path, postgres.database(), keys=(True, False)) as two:
        with_key, without = two.each
        acme: AcmeClient = await registered(with_key)
        _, order = await acme.ready_order("asked.lab.test")
        leaf = await finished(acme, order, "asked.lab.test")
        said = [await asked(one, lab_request(one, leaf.serial_number, nonce=b"n" * 32)) for one in (without, with_key)]
        assert [one.certificate_status for one in said] == [GOOD, GOOD]
        delegated = [one.certificates[0] for one in said]
        assert delegated[0].public_key() != delegated[1].public_key()
        issuer = with_key.authority.intermediate
        for one, by in zip(said, delegated, strict=True):
            by.verify_directly_issued_by(issuer)
            usages = by.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            assert list(usages) == [ExtendedKeyUsageOID.OCSP_SIGNING]
            public = by.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(one.signature, one.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
        assert without.rows("SELECT id FROM signings") == []
        # What one node revokes, the other says at once.
        body = {"certificate": b64url(leaf.public_bytes(Encoding.DER))}
        assert (await acme.post("https://ca.lab.test/acme/acme/revoke-cert", body)).status == 200
        assert (await asked(without, lab_request(without, leaf.serial_number))).certificate_status is REVOKED


async def test_without_any_node_that_has_the_key_there_is_no_answer_yet(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocsp, "_PATIENCE", 0.5)
    url = postgres.database()
    async with nodes(tmp_path / "made", url, keys=(True,)):
        pass
    config = lab_.settings(store=Store(url))
    data = tmp_path / "made/node-0"
    async with lab_.running(data, config, refit=lambda ca: ca.with_key(None)) as lab:
        for _ in range(2):
            assert (await asked(lab, lab_request(lab, 5))).response_status is reference.OCSPResponseStatus.TRY_LATER
        assert lab.rows("SELECT id FROM signings") == [], "nothing is left for whoever comes later"


async def finished(acme: AcmeClient, order: dict[str, str], name: str) -> x509.Certificate:
    done = await acme.post(order["finalize"], {"csr": b64url(csr_of(name))})
    chain = await acme.post(done.json()["certificate"])
    return x509.load_pem_x509_certificates(chain.body)[0]
