"""A hierarchy of each kind of key, and what verifies it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import crypto

from tests.pki.conftest import Ca
from tests.pki.verifiers import VERIFIERS
from zonemint.core.errors import EncryptedKey, KeyFileError
from zonemint.pki import authority, crl, issue, keys, lint, passwords, profiles
from zonemint.pki.authority import Plan
from zonemint.pki.key_source import KeySource
from zonemint.pki.serials import new_serial

NOW = time.time()
CLASSIC = ["p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072"]
POST_QUANTUM = ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]


def made(folder: Path, kind: str, password: bytes | None = None) -> Ca:
    plan = Plan(kind, password)
    authority.create(folder, name="Lab", domains=["lab.test"], now=NOW, plan=plan)
    found = authority.load(folder, now=NOW, source=KeySource(lambda: password))
    template = issue.template(found.current, profiles.DEFAULT, crl_url=None, issuer_url=None)
    return Ca(folder, found, template, NOW)


def leaf(ca: Ca, name: str) -> issue.Issued:
    public = keys.generate().public_key()
    return issue.sign(issue.prepare(ca.template, names=[name], ips=[], public_key=public, serial=new_serial(), now=NOW))


@pytest.mark.parametrize("kind", CLASSIC)
def test_openssl_gnutls_and_cryptography_verify_it(tmp_path: Path, kind: str) -> None:
    ca = made(tmp_path / "pki", kind)
    assert keys.kind_of(ca.authority.root.public_key()) == kind
    assert keys.kind_of(ca.authority.intermediate.public_key()) == kind
    for name, verify in VERIFIERS.items():
        # The verifier of cryptography keeps to what browsers take, and those take no Ed25519.
        if (name, kind) != ("cryptography", "ed25519"):
            assert verify(ca, leaf(ca, "a.lab.test"), "a.lab.test", tmp_path) is None, name
            assert verify(ca, leaf(ca, "a.other.test"), "a.other.test", tmp_path) is not None, name
    listed = crl.build(
        ca.authority.current, number=1, entries=b"", now=int(NOW), next_update=int(NOW) + 60, url="http://c.test/"
    )
    assert x509.load_der_x509_crl(listed).is_signature_valid(ca.authority.intermediate.public_key())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", POST_QUANTUM)
def test_openssl_of_our_own_library_verifies_ml_dsa(tmp_path: Path, kind: str) -> None:
    """The programs of Debian 12 do not know it; the OpenSSL inside cryptography does, and its verifier is not ours."""
    ca = made(tmp_path / "pki", kind)
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(ca.authority.root))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)

    def verify(issued: issue.Issued) -> None:
        certificate = crypto.X509.from_cryptography(x509.load_der_x509_certificate(issued.der))
        chain = [crypto.X509.from_cryptography(ca.authority.intermediate)]
        crypto.X509StoreContext(store, certificate, chain).verify_certificate()

    verify(leaf(ca, "a.lab.test"))
    with pytest.raises(crypto.X509StoreContextError, match="permitted subtree violation"):
        verify(leaf(ca, "a.other.test"))


def test_an_encrypted_key_is_read_with_its_password_alone(tmp_path: Path) -> None:
    made(tmp_path / "pki", "p256", b"secret")
    with pytest.raises(EncryptedKey, match=r"intermediate\.key: the key is encrypted: say where its password is"):
        authority.load(tmp_path / "pki", now=NOW, source=KeySource(lambda: None))
    with pytest.raises(KeyFileError, match=r"intermediate\.key: the password is not that of this key"):
        authority.load(tmp_path / "pki", now=NOW, source=KeySource(lambda: b"other"))
    assert b"ENCRYPTED" in (tmp_path / "pki/root.key").read_bytes()


def test_where_a_password_is_looked_for(tmp_path: Path) -> None:
    def put(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
        return tmp_path / name

    named, variable = put("named", b"one\nmore\n"), put("variable", b"two")
    put(passwords.CREDENTIAL, b"three\r\n")
    environment = {passwords.VARIABLE: str(variable), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert passwords.password_from(named, environment)() == b"one"
    assert passwords.password_from(None, environment)() == b"two"
    del environment[passwords.VARIABLE]
    assert passwords.password_from(None, environment)() == b"three"
    assert passwords.password_from(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})() is None
    assert passwords.password_from(None, {})() is None
    for content, said in ((b"\n", "on the first line"), (b"x" * 1025, "1 to 1024 octets")):
        with pytest.raises(KeyFileError, match=said):
            passwords.read_secret(put("bad", content))
    named.chmod(0o644)
    with pytest.raises(KeyFileError, match="others may read this password"):
        passwords.read_secret(named)
    with pytest.raises(KeyFileError, match="cannot be read: No such file"):
        passwords.read_secret(tmp_path / "missing")


def test_weak_and_unknown_kinds(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    file = tmp_path / "weak.key"
    file.write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    with pytest.raises(KeyFileError, match="this kind of key is not supported: use P-256"):
        keys.load_key(file)
    with pytest.raises(KeyFileError, match="there is no kind of key 'dsa': use one of p256, p384"):
        keys.generate_any("dsa")


@pytest.mark.parametrize("kind", [*CLASSIC, *POST_QUANTUM])
def test_the_linter_has_nothing_against_it_and_a_list_is_signed(tmp_path: Path, kind: str) -> None:
    ca = made(tmp_path / "pki", kind)
    key = keys.generate().public_key()
    prepared = issue.prepare(ca.template, names=["a.lab.test"], ips=[], public_key=key, serial=new_serial(), now=NOW)
    assert lint.findings(lint.stand_in(prepared)) == []
    listed = crl.build(
        ca.authority.current, number=1, entries=b"", now=int(NOW), next_update=int(NOW) + 60, url="http://c.test/"
    )
    assert x509.load_der_x509_crl(listed).is_signature_valid(ca.authority.intermediate.public_key())  # type: ignore[arg-type]
