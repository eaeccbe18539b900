"""CA certificates in files: read, and held against what a CA's certificate must be."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from zonemint.core.clock import rfc3339
from zonemint.core.errors import KeyFileError

__all__ = ["check_validity", "parse", "read"]

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def read(path: Path) -> list[x509.Certificate]:
    """Read a file of CA certificates in PEM, at least one; raises KeyFileError, one sentence with the file."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        raise KeyFileError("the certificate is missing: restore the file from a backup", file=path) from None
    except OSError as error:
        raise KeyFileError(f"the certificate cannot be read: {error.strerror}", file=path) from None
    return parse(pem, path)


def parse(pem: bytes, path: Path | str) -> list[x509.Certificate]:
    """Read CA certificates in PEM, at least one; `path` is what to call them. Raises KeyFileError."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        are_ca = all(map(_is_ca, certificates))
    except _UNREADABLE:
        raise KeyFileError(
            "this is not a certificate in PEM that we know: restore the file from a backup", file=path
        ) from None
    if not are_ca:
        raise KeyFileError("this certificate is not a CA's: it may not sign others", file=path)
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


def _is_ca(certificate: x509.Certificate) -> bool:
    # What is read later must not fail then.
    _ = certificate.public_key(), certificate.subject, certificate.issuer
    try:
        extensions = certificate.extensions
        return (
            extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
            and bool(extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest)
        )
    except x509.ExtensionNotFound:
        return False
