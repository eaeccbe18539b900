"""Certificates to be trusted or not, made by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["NOW", "Ca", "pem"]

NOW = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Ca:
    """A name and a key, which sign what a test wants."""

    name: str
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def named(cls, name: str) -> Ca:
        return cls(name, ec.generate_private_key(ec.SECP256R1()))

    @property
    def subject(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])

    def sign(
        self,
        other: Ca,
        *,
        ca: bool = True,
        path_length: int | None = None,
        permitted: str = "",
        servers: bool = False,
        begin: float = NOW - 86400,
        days: int = 3650,
    ) -> x509.Certificate:
        """Sign for another's name and key; for its own it makes a root."""
        start = datetime.fromtimestamp(begin, UTC)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.subject)
            .subject_name(other.subject)
            .public_key(other.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        )
        if permitted:
            builder = builder.add_extension(x509.NameConstraints([x509.DNSName(permitted)], None), critical=True)
        if servers:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(self.key, SHA256())

    def root(self) -> x509.Certificate:
        """Sign for itself."""
        return self.sign(self)


def pem(*certificates: x509.Certificate) -> bytes:
    """Return a file of certificates."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
