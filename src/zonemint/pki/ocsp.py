"""OCSP (RFC 6960): what a client asks about certificates, and the signed answer.

cryptography's own classes have room for one certificate in a message; these take as many as the RFC does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from zonemint.core.errors import ForeignDataError
from zonemint.pki.der import BITS, ENUMERATED, OCTETS, SEQUENCE, generalized_time, tlv

__all__ = ["CertId", "Query", "Responder", "Single", "Status", "failure", "issuer_hashes", "parse", "respond"]

MAX_CERTIFICATES = 32
"""How many certificates one request may ask about."""

_NONCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")
_LONGEST_NONCE = 128  # octets (RFC 9654 section 2.1)
_HASHES = {
    x509.ObjectIdentifier("1.3.14.3.2.26"): "sha1",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1"): "sha256",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2"): "sha384",
    x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"): "sha512",
}
_BASIC = bytes.fromhex("06092b0601050507300101")  # id-pkix-ocsp-basic
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


class Status(IntEnum):
    """Why there is no answer (RFC 6960 section 4.2.1)."""

    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    UNAUTHORIZED = 6


@asn1.sequence
class _Algorithm:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _CertId:
    hash_algorithm: _Algorithm
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


@asn1.sequence
class _Extension:
    id: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class _Request:
    certificate: _CertId
    extensions: Annotated[list[_Extension] | None, asn1.Explicit(0)]


@asn1.sequence
class _Any:
    value: asn1.TLV  # within an explicit tag, which is an implicit one of a sequence of one


@asn1.sequence
class _ToBeSigned:
    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    requestor: Annotated[_Any | None, asn1.Implicit(1)]
    requests: list[_Request]
    extensions: Annotated[list[_Extension] | None, asn1.Explicit(2)]


@asn1.sequence
class _OcspRequest:
    to_be_signed: _ToBeSigned
    signature: Annotated[list[asn1.TLV] | None, asn1.Explicit(0)]


@dataclass(frozen=True, slots=True)
class CertId:
    """A certificate as requests name it (RFC 6960 section 4.1.1): two hashes of its issuer, and its serial number."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    der: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """A request: the certificates it asks about, and the extension with its nonce in DER, or nothing (RFC 9654)."""

    certificates: tuple[CertId, ...]
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Single:
    """What is said of a certificate: good, or revoked since, with the code of the reason; or that it is unknown.

    `revoked_at` is in seconds since 1970.
    """

    certificate: CertId
    known: bool
    revoked_at: int | None = None
    reason: int = 0


@dataclass(frozen=True)
class Responder:
    """A P-256 key, and the certificate by which its issuer lets it answer (RFC 6960 section 4.2.2.2)."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    @cached_property
    def id(self) -> bytes:
        """The responder's key identifier, which is made with SHA-1, as the RFC has it (section 4.2.1)."""
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return tlv(0xA2, tlv(OCTETS, hashlib.sha1(point, usedforsecurity=False).digest()))


def parse(der: bytes) -> Query:
    """Read a request; a signature on it is not asked for and not looked at.

    Raises ForeignDataError for what is no request in DER, for more than MAX_CERTIFICATES or none, for critical
    extensions that we do not know, and for a nonce that is not 1 to 128 octets long (RFC 9654 section 2.1).
    """
    try:
        asked = asn1.decode_der(_OcspRequest, der).to_be_signed
    except ValueError as error:
        raise ForeignDataError("this is not an OCSP request in DER") from error
    if asked.version != 0:
        raise ForeignDataError("only version 1 of OCSP is known")
    if not 0 < len(asked.requests) <= MAX_CERTIFICATES:
        raise ForeignDataError(f"a request may ask about 1 to {MAX_CERTIFICATES} certificates")
    for extension in (each for one in asked.requests for each in one.extensions or ()):
        if extension.critical:
            raise ForeignDataError("a critical extension of a single request is not known")
    return Query(tuple(_certificate(one.certificate) for one in asked.requests), _nonce(asked.extensions or ()))


def issuer_hashes(issuer: x509.Certificate, hash_name: str) -> tuple[bytes, bytes]:
    """Return the hashes of an issuer's name and key that a CertId has."""
    name = hashlib.new(hash_name, issuer.subject.public_bytes(), usedforsecurity=False).digest()
    return name, hashlib.new(hash_name, _key_bits(issuer), usedforsecurity=False).digest()


def respond(
    responder: Responder, singles: Sequence[Single], *, nonce: bytes, this_update: int, next_update: int, now: int
) -> bytes:
    """Return a signed response in DER (RFC 6960 section 4.2.1); times in seconds since 1970."""
    times = generalized_time(this_update) + tlv(0xA0, generalized_time(next_update))
    answers = b"".join(tlv(SEQUENCE, one.certificate.der + _status(one) + times) for one in singles)
    extensions = tlv(0xA1, tlv(SEQUENCE, nonce)) if nonce else b""
    data = tlv(SEQUENCE, responder.id + generalized_time(now) + tlv(SEQUENCE, answers) + extensions)
    signature = responder.key.sign(data, ec.ECDSA(hashes.SHA256()))
    basic = tlv(
        SEQUENCE,
        data + _ECDSA_WITH_SHA256 + tlv(BITS, b"\0" + signature) + tlv(0xA0, tlv(SEQUENCE, responder.certificate)),
    )
    octets = tlv(0xA0, tlv(SEQUENCE, _BASIC + tlv(OCTETS, basic)))
    return tlv(SEQUENCE, tlv(ENUMERATED, b"\0") + octets)


def failure(status: Status) -> bytes:
    """Return a response that says only why there is none; it is not signed."""
    return tlv(SEQUENCE, tlv(ENUMERATED, bytes([status])))


def _certificate(asked: _CertId) -> CertId:
    name = _HASHES.get(asked.hash_algorithm.algorithm, "")
    return CertId(name, asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number, asn1.encode_der(asked))


def _nonce(extensions: Sequence[_Extension]) -> bytes:
    """Return the extension with the nonce in DER, as it comes back."""
    found = b""
    for extension in extensions:
        if extension.id != _NONCE:
            if extension.critical:
                raise ForeignDataError("a critical extension of the request is not known")
            continue
        try:
            length = len(asn1.decode_der(bytes, extension.value))
        except ValueError as error:
            raise ForeignDataError("the nonce is not an octet string") from error
        if found or not 0 < length <= _LONGEST_NONCE:
            raise ForeignDataError(f"there is one nonce, of 1 to {_LONGEST_NONCE} octets")
        found = asn1.encode_der(extension)
    return found


def _status(one: Single) -> bytes:
    if not one.known:
        return b"\x82\0"
    if one.revoked_at is None:
        return b"\x80\0"
    reason = tlv(0xA0, tlv(ENUMERATED, bytes([one.reason]))) if one.reason else b""
    return tlv(0xA1, generalized_time(one.revoked_at) + reason)


def _key_bits(certificate: x509.Certificate) -> bytes:
    """Return what the subjectPublicKey of a certificate has, without the count of unused bits."""
    der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return asn1.decode_der(_Spki, der).key.as_bytes()


@asn1.sequence
class _Spki:
    algorithm: list[asn1.TLV]
    key: asn1.BitString
