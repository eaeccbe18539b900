"""Private keys in files, and what signing a certificate needs of a key."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from zonemint.core.errors import EncryptedKey, KeyFileError
from zonemint.core.files import exposed

__all__ = [
    "KINDS",
    "FileSigner",
    "KeyKind",
    "PrivateKey",
    "Signer",
    "generate",
    "generate_any",
    "kind_of",
    "load_key",
    "pem_of_key",
    "read_key",
    "spki_sha256",
    "write_key",
]

_MlDsa = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | _MlDsa
KeyKind = Literal["p256", "p384"]

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_CURVES: dict[KeyKind, type[ec.EllipticCurve]] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
_HASHES: dict[str, _Hash] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_ALGORITHMS = {
    "secp256r1": bytes.fromhex("300a06082a8648ce3d040302"),
    "secp384r1": bytes.fromhex("300a06082a8648ce3d040303"),
    "secp521r1": bytes.fromhex("300a06082a8648ce3d040304"),
    "rsa": bytes.fromhex("300d06092a864886f70d01010b0500"),
    "ed25519": bytes.fromhex("300506032b6570"),
    "ml-dsa-44": bytes.fromhex("300b0609608648016503040311"),
    "ml-dsa-65": bytes.fromhex("300b0609608648016503040312"),
    "ml-dsa-87": bytes.fromhex("300b0609608648016503040313"),
}
_RSA_BITS = range(2048, 8193)

KINDS: dict[str, Callable[[], PrivateKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
}
"""The kinds of keys that a CA can have, each with what makes one; ML-DSA is that of FIPS 204 (RFC 9881)."""

_SUPPORTED = "use P-256, P-384, P-521, Ed25519, ML-DSA or RSA of 2048 to 8192 bits"


class Signer(Protocol):
    """A key that signs for an authority, wherever it lives."""

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        """Return the public half."""

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a complete certificate with the hash that fits the key."""

    @property
    def algorithm(self) -> bytes:
        """Return what it signs octets with: an AlgorithmIdentifier in DER (RFC 5280 section 4.1.1.2)."""

    def sign(self, octets: bytes) -> bytes:
        """Sign octets, such as those of a revocation list; it is the same algorithm as for certificates."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A signer whose key was read into memory, or that stands for one in a token (`pkcs11`).

    ECDSA with the curve's hash, RSA (PKCS #1 v1.5) with SHA-256; Ed25519 and ML-DSA hash by themselves.
    """

    key: PrivateKey

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        """Return the public half."""
        return self.key.public_key()

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a complete certificate."""
        return builder.sign(self.key, _hash_for(self.key))

    @property
    def algorithm(self) -> bytes:
        """Return the AlgorithmIdentifier (RFC 5758 section 3.2, RFC 4055 section 5, RFC 8410 section 3, RFC 9881)."""
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return _ALGORITHMS[self.key.curve.name]
            case rsa.RSAPrivateKey():
                return _ALGORITHMS["rsa"]
        return _ALGORITHMS[kind_of(self.key.public_key())]

    def sign(self, octets: bytes) -> bytes:
        """Sign octets."""
        match self.key:
            case ec.EllipticCurvePrivateKey():
                return self.key.sign(octets, ec.ECDSA(_HASHES[self.key.curve.name]))
            case rsa.RSAPrivateKey():
                return self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(octets)

    def sign_request(self, builder: x509.CertificateSigningRequestBuilder) -> x509.CertificateSigningRequest:
        """Sign a certificate signing request."""
        return builder.sign(self.key, _hash_for(self.key))


def generate(kind: KeyKind = "p256") -> ec.EllipticCurvePrivateKey:
    """Make a private key on a NIST curve."""
    return ec.generate_private_key(_CURVES[kind]())


def generate_any(kind: str) -> PrivateKey:
    """Make a private key of one of `KINDS`; raises KeyFileError for another word."""
    if kind not in KINDS:
        raise KeyFileError(f"there is no kind of key '{kind}': use one of {', '.join(KINDS)}")
    return KINDS[kind]()


def kind_of(key: CertificatePublicKeyTypes) -> str:
    """Return the word of `KINDS` for a public key, or one like it for what we do not make."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}.get(key.curve.name, key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa{key.key_size}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    for size, kind in ((44, mldsa.MLDSA44PublicKey), (65, mldsa.MLDSA65PublicKey), (87, mldsa.MLDSA87PublicKey)):
        if isinstance(key, kind):
            return f"ml-dsa-{size}"
    return type(key).__name__


def pem_of_key(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Write a key as PKCS #8 PEM (RFC 5958), encrypted (PBES2, AES-256) if there is a password."""
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def write_key(path: Path, key: PrivateKey, password: bytes | None = None) -> None:
    """Write a key as PKCS #8 PEM, mode 0600, whole or not at all.

    Raises KeyFileError when a file of that name exists, which is left as it is, or when the folder refuses.
    """
    pem = pem_of_key(key, password)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(handle)
            # Unlike a rename, a link never replaces what another process has put there meanwhile.
            os.link(draft, path)
        finally:
            os.unlink(draft)
    except FileExistsError:
        raise KeyFileError("a key is there already and is not overwritten: move it away first", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the key cannot be written: {error.strerror}", file=path) from None


def load_key(path: Path, password: Callable[[], bytes | None] = lambda: None) -> PrivateKey:
    """Read a PEM key of a kind of `KINDS`; `password` is asked for when it is encrypted.

    Raises KeyFileError, one sentence, when the file is missing, unreadable, ours but open to others (as ssh has
    it), not PEM, encrypted with another password or of another kind.
    """
    return read_key(_read_private(path), path, password)


def read_key(pem: bytes, path: Path, password: Callable[[], bytes | None] = lambda: None) -> PrivateKey:
    """Read the content of a file as `load_key` does; raises KeyFileError."""
    secret = None
    try:
        try:
            key = load_pem_private_key(pem, None)
        except TypeError:
            if (secret := password()) is None:
                raise EncryptedKey(
                    "the key is encrypted: say where its password is with --password-file, in ca.password_file, "
                    "$ZONEMINT_PASSWORD_FILE or the systemd credential zonemint-password",
                    file=path,
                ) from None
            key = load_pem_private_key(pem, secret)
    except (ValueError, UnsupportedAlgorithm):
        why = "this is not a private key in PEM"
        raise KeyFileError("the password is not that of this key" if secret else why, file=path) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _HASHES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size in _RSA_BITS:
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey | _MlDsa):
        return key
    raise KeyFileError(f"this kind of key is not supported: {_SUPPORTED}", file=path)


def spki_sha256(key: PublicKeyTypes) -> str:
    """Return the lower-case hex SHA-256 of the key's DER SubjectPublicKeyInfo (RFC 5280 section 4.1)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if (mode := exposed(file.fileno())) is not None:
                raise KeyFileError(f"others may read this key (mode {mode:04o}): run `chmod 600 {path}`", file=path)
            return file.read()
    except FileNotFoundError:
        raise KeyFileError("the key is missing; if it was there, restore it from a backup", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the key cannot be read: {error.strerror}", file=path) from None


def _hash_for(key: PrivateKey) -> _Hash | None:
    """Pair each curve with the hash of its own strength (RFC 5758 section 3.2), and RSA with SHA-256."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _HASHES[key.curve.name]
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None
