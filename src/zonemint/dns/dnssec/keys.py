"""Keys that sign zones, one for everything (a CSK), and the records that speak of them (RFC 4034, 6605, 8080, 7344)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256, sha384

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from zonemint.core.errors import ConfigError

__all__ = ["DELETE_CDNSKEY", "DELETE_CDS", "Algorithm", "SigningKey", "key_tag"]

_FLAGS, _PROTOCOL = 257, 3
"""A zone key that is a secure entry point."""
_SHA256, _SHA384 = 2, 4

DELETE_CDS = bytes((0, 0, 0, 0, 0))
DELETE_CDNSKEY = bytes((0, 0, 3, 0, 0))
"""What asks the parent to remove all DS records (RFC 8078 section 4)."""


class Algorithm(StrEnum):
    """What a zone is signed with; each has its number in DNSKEY records (IANA)."""

    ECDSAP256SHA256 = "ecdsap256sha256"
    ED25519 = "ed25519"

    @property
    def number(self) -> int:
        """The number in records."""
        return 13 if self is Algorithm.ECDSAP256SHA256 else 15


class SigningKey:
    """A private key, and the data of its records.

    Two servers with the same key make the same signatures, so that a secondary may follow either of them: ECDSA is
    deterministic (RFC 6979), as Ed25519 always is.
    """

    def __init__(self, private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            self.algorithm = Algorithm.ECDSAP256SHA256
            encoding, format_ = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            raw = public.public_bytes(encoding, format_)[1:]
        else:
            self.algorithm = Algorithm.ED25519
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        head = _FLAGS.to_bytes(2, "big") + bytes((_PROTOCOL, self.algorithm.number))
        self.dnskey = head + raw
        self.tag = key_tag(self.dnskey)

    @classmethod
    def generate(cls, algorithm: Algorithm, *, unlike: Iterable[int] = ()) -> SigningKey:
        """Make a key, with another tag than others have: validators would have to try both."""
        taken = frozenset(unlike)
        while True:
            is_ec = algorithm is Algorithm.ECDSAP256SHA256
            key = cls(ec.generate_private_key(ec.SECP256R1()) if is_ec else ed25519.Ed25519PrivateKey.generate())
            if key.tag not in taken:
                return key

    @classmethod
    def load(cls, der: bytes) -> SigningKey:
        """Read a key in PKCS #8; raises ConfigError."""
        try:
            private = serialization.load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"a key that signs zones cannot be read: {error}") from None
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return cls(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            return cls(private)
        raise ConfigError("a key that signs zones is of ECDSA P-256 or Ed25519")

    def __repr__(self) -> str:
        return f"SigningKey({self.tag}, {self.algorithm})"

    def private_bytes(self) -> bytes:
        """Return the key in PKCS #8, unencrypted."""
        form = serialization.PrivateFormat.PKCS8
        return self._private.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())

    def sign(self, data: bytes) -> bytes:
        """Sign, in the form that RRSIG records hold (RFC 6605 section 4, RFC 8080 section 4)."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, _ecdsa()))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def ds(self, apex: bytes) -> tuple[bytes, bytes]:
        """Return the data of the DS records with SHA-256 and with SHA-384 (RFC 4509, RFC 6605 section 2)."""
        head = self.tag.to_bytes(2, "big") + bytes((self.algorithm.number,))
        content = apex + self.dnskey
        first = head + bytes((_SHA256,)) + sha256(content).digest()
        return first, head + bytes((_SHA384,)) + sha384(content).digest()


def key_tag(dnskey: bytes) -> int:
    """Return the tag of a key by its record's data (RFC 4034 appendix B)."""
    total = sum(dnskey[0::2]) * 256 + sum(dnskey[1::2])
    return (total + (total >> 16)) & 0xFFFF


def _ecdsa() -> ec.ECDSA:
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:  # an OpenSSL before 3.2
        return ec.ECDSA(hashes.SHA256())
