"""CA certificates in files: read, and held against what a CA's certificate must be."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID

from zonemint.core.clock import rfc3339
from zonemint.core.errors import KeyFileError
from zonemint.core.unreadable import UNREADABLE

__all__ = ["check_validity", "extension", "has_usage", "parse", "read"]

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_BROKEN = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_MD5,
        SignatureAlgorithmOID.RSA_WITH_SHA1,
        SignatureAlgorithmOID.DSA_WITH_SHA1,
        SignatureAlgorithmOID.ECDSA_WITH_SHA1,
    }
)


def read(path: Path) -> list[x509.Certificate]:
    """Read a file of CA certificates in PEM, at least one; raises KeyFileError, one sentence with the file."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError("the certificate is missing; if it was there, restore it from a backup", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the certificate cannot be read: {error.strerror}", file=path) from None
    return parse(pem, path)


def parse(pem: bytes, path: Path | str) -> list[x509.Certificate]:
    """Read CA certificates in PEM, at least one; `path` is what to call them. Raises KeyFileError."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        flaws = list(filter(None, map(_flaw, certificates)))
    except UNREADABLE:
        raise KeyFileError("this is not a certificate in PEM that we know", file=path) from None
    if flaws:
        raise KeyFileError(flaws[0], file=path)
    return certificates


def check_validity(certificate: x509.Certificate, path: Path | str, now: float) -> None:
    """Raise KeyFileError unless a certificate is valid at a time, in seconds since 1970."""
    not_before = certificate.not_valid_before_utc.timestamp()
    not_after = certificate.not_valid_after_utc.timestamp()
    if now < not_before:
        raise KeyFileError(
            f"this certificate is not valid before {rfc3339(not_before)}: is the clock right?", file=path
        )
    if now > not_after:
        raise KeyFileError(f"this certificate expired at {rfc3339(not_after)}", file=path)


def has_usage(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate says what its key is for; RFC 5280 section 4.2.1.3 asks that of a CA's."""
    return extension(certificate, x509.KeyUsage) is not None


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return the value of an extension, or None where there is none."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _flaw(certificate: x509.Certificate) -> str:
    """Return why a certificate is none of a CA, or an empty text."""
    # What is read later must not fail then.
    _ = certificate.public_key(), certificate.subject, certificate.issuer
    basic, usage = extension(certificate, x509.BasicConstraints), extension(certificate, x509.KeyUsage)
    # `openssl req -x509` says nothing of usages in a root, which then has all of them (RFC 5280 section 4.2.1.3).
    may_sign = certificate.issuer == certificate.subject if usage is None else usage.key_cert_sign
    if basic is None or not basic.ca or not may_sign:
        return "this certificate is not a CA's: it may not sign others"
    identifier = extension(certificate, x509.SubjectKeyIdentifier)
    if identifier is None or not identifier.digest:
        return "this certificate has no subject key identifier, which that of a CA needs (RFC 5280 section 4.2.1.2)"
    if certificate.signature_algorithm_oid in _BROKEN:
        return (
            "this certificate is signed with SHA-1 or MD5, which nobody verifies any more: have it signed with SHA-256"
        )
    return ""
