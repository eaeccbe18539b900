"""Machines without ACME at a running server, with curl's way of doing it and TLS client certificates."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, Running, running

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def request(key: Key, *names: str) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def made_token(server: Running, *names: str, expires: str = "5m") -> str:
    done = run("token", *names, "--expires", expires, "--data", server.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def post(server: Running, path: str, body: Any, identity: Path | None = None) -> tuple[int, dict[str, Any]]:
    """Send JSON, with a certificate and its key in one file if there is one."""
    context = server.trust()
    if identity is not None:
        context.load_cert_chain(identity)
    connection = http.client.HTTPSConnection("localhost", server.ports.https, timeout=30, context=context)
    connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
    reply = connection.getresponse()
    content = json.loads(reply.read())
    connection.close()
    return reply.status, content


def sign(server: Running, token: str, csr: str, **more: str) -> tuple[int, dict[str, Any]]:
    return post(server, "/1.0/sign", {"csr": csr, "ott": token, **more})


def kept(folder: Path, reply: dict[str, Any], key: Key) -> Path:
    """Keep a certificate with its chain and key, as a client keeps them."""
    file = folder / "identity.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file.write_text("".join(reply["certChain"]) + pem)
    return file


def read(reply: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(reply["crt"].encode())


def enrolled(server: Running, folder: Path, *names: str) -> tuple[Path, x509.Certificate]:
    key = new_key()
    status, reply = sign(server, made_token(server, *names), request(key, *names))
    assert status == 201, reply
    return kept(folder, reply, key), read(reply)


def test_a_token_is_good_for_one_certificate(shared: Running) -> None:
    name, key = f"once.{DOMAIN}", new_key()
    token = made_token(shared, name)
    status, reply = sign(shared, token, request(key, name))
    assert status == 201
    certificate = read(reply)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]
    assert reply["ca"] == reply["certChain"][1]
    status, reply = sign(shared, token, request(new_key(), name))
    assert (status, reply["status"]) == (401, 401)
    assert "used already" in reply["message"]


def test_what_the_csr_says_must_be_what_the_token_says(shared: Running) -> None:
    token = made_token(shared, f"said.{DOMAIN}")
    status, reply = sign(shared, token, request(new_key(), f"said.{DOMAIN}", f"more.{DOMAIN}"))
    assert status == 400
    assert f"'more.{DOMAIN}' is not in the token" in reply["message"]
    # What was refused before anything was signed leaves the token good.
    assert sign(shared, token, request(new_key(), f"said.{DOMAIN}"))[0] == 201


def test_dates_are_honoured_or_refused(shared: Running) -> None:
    name = f"dated.{DOMAIN}"
    status, reply = sign(shared, made_token(shared, name), request(new_key(), name), notAfter="24h")
    assert status == 201
    life = read(reply).not_valid_after_utc - read(reply).not_valid_before_utc
    assert 24 <= life.total_seconds() / 3600 <= 26
    token = made_token(shared, name)
    status, reply = sign(shared, token, request(new_key(), name), notBefore="9999h")
    assert status == 400
    assert "notBefore lies" in reply["message"]
    for not_after, why in (
        ("9999h", "asks for more"),
        (f"{'9' * 400}h", "neither a time"),
        ("tomorrow", "neither a time"),
        ("2001-01-01T00:00:00Z", "notAfter"),
    ):
        status, reply = sign(shared, token, request(new_key(), name), notAfter=not_after)
        assert status == 400, reply
        assert why in reply["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"csr": 1}', b'{"csr": "x", "ott": "y"}', b"\xff"])
def test_bodies_that_are_nothing(shared: Running, body: bytes) -> None:
    for path in ("/sign", "/rekey", "/renew"):
        status, reply = post(shared, path, body)
        assert status in (400, 401)
        assert reply["message"]


def test_a_token_for_a_foreign_name_is_not_made(shared: Running) -> None:
    done = run("token", "www.example.com.", "--data", shared.folder)
    assert done.returncode == 1
    assert "lies outside" in done.stderr


def test_renewal_with_the_certificate_itself(shared: Running, tmp_path: Path) -> None:
    identity, old = enrolled(shared, tmp_path, f"renewed.{DOMAIN}")
    status, reply = post(shared, "/renew", b"", identity)
    assert status == 201
    new = read(reply)
    assert new.serial_number != old.serial_number
    assert new.public_key() == old.public_key()
    assert new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == (
        old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )


def test_another_key_for_the_certificate_itself(shared: Running, tmp_path: Path) -> None:
    name = f"rekeyed.{DOMAIN}"
    identity, old = enrolled(shared, tmp_path, name)
    key = new_key()
    for csr in (request(key), request(key, name)):
        status, reply = post(shared, "/rekey", {"csr": csr}, identity)
        assert status == 201, reply
        assert read(reply).public_key() == key.public_key() != old.public_key()
    status, reply = post(shared, "/rekey", {"csr": request(key, f"other.{DOMAIN}")}, identity)
    assert status == 400
    assert "not in the certificate" in reply["message"]


def test_nobody_renews_without_showing_a_certificate(shared: Running) -> None:
    status, reply = post(shared, "/renew", b"")
    assert status == 401
    assert "TLS client certificate" in reply["message"]


def test_a_revoked_certificate_is_not_renewed(shared: Running, tmp_path: Path) -> None:
    identity, old = enrolled(shared, tmp_path, f"gone.{DOMAIN}")
    assert run("certs", "revoke", f"{old.serial_number:x}", "--data", shared.folder).returncode == 0
    status, reply = post(shared, "/renew", b"", identity)
    assert status == 401
    assert "revoked" in reply["message"]


def test_a_key_that_was_given_away_gets_nothing_more(shared: Running, tmp_path: Path) -> None:
    name, key = f"leaked.{DOMAIN}", new_key()
    status, reply = sign(shared, made_token(shared, name), request(key, name))
    words = ("certs", "revoke", f"{read(reply).serial_number:x}", "--reason", "keyCompromise", "--data", shared.folder)
    assert run(*words).returncode == 0
    status, reply = sign(shared, made_token(shared, name), request(key, name))
    assert status == 400
    assert "blocked" in reply["message"]


def test_an_acme_certificate_is_renewed_by_acme(tmp_path: Path) -> None:
    name, key = f"by-acme.{DOMAIN}", new_key()
    with running(tmp_path / "data"):
        pass
    with (tmp_path / "data/zonemint.toml").open("a") as settings:
        # Else TLS refuses it already: certificates are for servers alone.
        settings.write('[profiles.default]\nextended_key_usages = ["serverAuth", "clientAuth"]\n')
    with running(tmp_path / "data") as server, closing(Client(server)) as client:
        assert server.register(name).returncode == 0
        prepared = client.order(name)
        prepared = replace(prepared, order=prepared.order.update(csr_pem=request(key, name).encode()))
        client.set_values(prepared)
        client.respond(prepared)
        identity = kept(tmp_path, {"certChain": [client.finish(prepared)]}, key)
        status, reply = post(server, "/renew", b"", identity)
    assert status == 401
    assert "by ACME" in reply["message"]


def test_a_certificate_for_servers_alone_ends_the_handshake(shared: Running) -> None:
    folder = shared.folder / "pki"
    context = shared.trust()
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    connection = http.client.HTTPSConnection("localhost", shared.ports.https, timeout=30, context=context)
    connection.request("POST", "/renew")
    with pytest.raises(OSError, match=r"."):
        connection.getresponse()
    connection.close()


def test_the_roots_as_step_reads_them(shared: Running) -> None:
    fingerprint = x509.load_pem_x509_certificate(shared.root.read_bytes()).fingerprint(SHA256()).hex()
    connection = http.client.HTTPSConnection("localhost", shared.ports.https, timeout=30, context=shared.trust())
    connection.putrequest("GET", f"/root/{fingerprint}", skip_accept_encoding=True)
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["ca"].encode() == shared.root.read_bytes()
    connection.close()
    assert shared.get(f"/root/{fingerprint}", headers={"Accept": "*/*"}) == shared.root.read_bytes()
    assert json.loads(shared.get("/1.0/roots"))["crts"] == [shared.root.read_text()]


def test_issued_on_the_server(shared: Running, tmp_path: Path) -> None:
    done = run("certs", "issue", "printer", "10.0.0.9", "--output", tmp_path, "--data", shared.folder)
    assert done.returncode == 0, done.stderr
    crt, key = (Path(line) for line in done.stdout.splitlines())
    assert key.stat().st_mode & 0o777 == 0o600
    leaf, intermediate = x509.load_pem_x509_certificates(crt.read_bytes())
    leaf.verify_directly_issued_by(intermediate)
    identity = tmp_path / "identity.pem"
    identity.write_bytes(crt.read_bytes() + key.read_bytes())
    assert post(shared, "/renew", b"", identity)[0] == 201
    again = run("certs", "issue", "printer", "--output", tmp_path, "--data", shared.folder)
    assert again.returncode == 1
    assert "not overwritten" in again.stderr


def test_issued_on_the_server_for_a_csr(shared: Running, tmp_path: Path) -> None:
    csr = tmp_path / "request.pem"
    csr.write_text(request(new_key(), f"switch.{DOMAIN}"))
    words = ("certs", "issue", "switch", "--csr", csr, "--output", tmp_path, "--data", shared.folder)
    done = run(*words)
    assert done.stdout.splitlines() == [str(tmp_path / f"switch.{DOMAIN}.crt")], done.stderr
    csr.write_text(request(new_key(), f"other.{DOMAIN}"))
    (tmp_path / f"switch.{DOMAIN}.crt").unlink()
    done = run(*words)
    assert done.returncode == 1
    assert "not in the command" in done.stderr


def test_a_weak_key_and_a_foreign_name_are_refused_on_the_server(shared: Running, tmp_path: Path) -> None:
    done = run("certs", "issue", "www.example.com.", "--output", tmp_path, "--data", shared.folder)
    assert done.returncode == 1
    assert not list(tmp_path.iterdir())
    csr = tmp_path / "request.pem"
    csr.write_text(request(rsa.generate_private_key(65537, 1024), f"weak.{DOMAIN}"))
    done = run("certs", "issue", "weak", "--csr", csr, "--output", tmp_path, "--data", shared.folder)
    assert done.returncode == 1
    assert "1024 bits" in done.stderr
