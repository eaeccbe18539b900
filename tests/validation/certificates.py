"""Certificates as servers of challenges show them, and as they must not."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["made", "server_context"]

Extension = tuple[x509.ExtensionType, bool]


def made(
    names: Sequence[x509.GeneralName],
    extensions: Sequence[Extension] = (),
    *,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey | None = None,
    issuer: str = "self",
) -> x509.Certificate:
    """A certificate of an hour for names, self-signed unless another key signs it."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer or key, hashes.SHA256())


def server_context(
    folder: Path,
    *names: str,
    certificate: x509.Certificate | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    protocols: Sequence[str] = (),
) -> ssl.SSLContext:
    """What a TLS server needs to show a certificate, by default a fresh one for names."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    certificate = certificate or made([x509.DNSName(name) for name in names], key=key)
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context
