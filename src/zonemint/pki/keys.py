"""Private keys in files, and what signing a certificate needs of a key."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from zonemint.core.errors import KeyFileError

__all__ = ["FileSigner", "KeyKind", "PrivateKey", "Signer", "generate", "load_key", "spki_sha256", "write_key"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KeyKind = Literal["p256", "p384"]

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512

_CURVES: dict[KeyKind, type[ec.EllipticCurve]] = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}
_HASHES: dict[str, _Hash] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_MIN_RSA_BITS = 2048


class Signer(Protocol):
    """A key that signs for an authority, wherever it lives."""

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        """Return the public half."""

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a complete certificate with the hash that fits the key."""

    def sign_crl(self, builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationList:
        """Sign a complete revocation list with the hash that fits the key."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A signer whose key was read into memory: ECDSA with the curve's hash, or RSA (PKCS #1 v1.5) with SHA-256."""

    key: PrivateKey

    @property
    def public_key(self) -> CertificatePublicKeyTypes:
        """Return the public half."""
        return self.key.public_key()

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a complete certificate."""
        return builder.sign(self.key, _hash_for(self.key))

    def sign_crl(self, builder: x509.CertificateRevocationListBuilder) -> x509.CertificateRevocationList:
        """Sign a complete revocation list."""
        return builder.sign(self.key, _hash_for(self.key))


def generate(kind: KeyKind = "p256") -> ec.EllipticCurvePrivateKey:
    """Make a private key on a NIST curve."""
    return ec.generate_private_key(_CURVES[kind]())


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a key as unencrypted PKCS #8 PEM (RFC 5958), mode 0600, whole or not at all.

    Raises KeyFileError when a file of that name exists, which is left as it is, or when the folder refuses.
    """
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
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


def load_key(path: Path) -> PrivateKey:
    """Read an unencrypted PEM key: a NIST curve, or RSA of at least 2048 bits.

    Raises KeyFileError, one sentence, when the file is missing, unreadable, ours but open to others (as ssh has
    it), not PEM, encrypted or of another kind.
    """
    pem = _read_private(path)
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise KeyFileError(
            "the key is encrypted: decrypt it, as in `openssl pkey -in OLD -out NEW`", file=path
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError("this is not a private key in PEM: restore the file from a backup", file=path) from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _HASHES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _MIN_RSA_BITS:
        return key
    raise KeyFileError("this kind of key is not supported: use P-256, P-384, P-521 or RSA of 2048 bits up", file=path)


def spki_sha256(key: PublicKeyTypes) -> str:
    """Return the lower-case hex SHA-256 of the key's DER SubjectPublicKeyInfo (RFC 5280 section 4.1)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid == os.geteuid() and status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                raise KeyFileError(f"others may read this key (mode {mode:04o}): run `chmod 600 {path}`", file=path)
            return file.read()
    except FileNotFoundError:
        raise KeyFileError("the key is missing: restore the file from a backup", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the key cannot be read: {error.strerror}", file=path) from None


def _hash_for(key: PrivateKey) -> _Hash:
    """Pair each curve with the hash of its own strength (RFC 5758 section 3.2), and RSA with SHA-256."""
    return _HASHES[key.curve.name] if isinstance(key, ec.EllipticCurvePrivateKey) else hashes.SHA256()
