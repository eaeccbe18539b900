"""Root certificates, and which of them may be trusted."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from zonemint.core.clock import rfc3339
from zonemint.core.errors import TrustError
from zonemint.core.unreadable import UNREADABLE

__all__ = ["Root", "fingerprint", "holds", "read", "vouched"]

_PEM = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----([^-]+)-----END (?:TRUSTED )?CERTIFICATE-----")
_FINGERPRINT = re.compile(r"(?:sha-?256(?: fingerprint)?[:=])?([0-9a-f]{2}(?::?[0-9a-f]{2}){31})")


@dataclass(frozen=True, slots=True)
class Root:
    """A certificate that signs itself and may sign others."""

    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """Its octets, which its fingerprints are of."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """Its text."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def sha256(self) -> str:
        """Its fingerprint in lower hex."""
        return sha256(self.der).hexdigest()

    @property
    def sha1(self) -> str:
        """What macOS knows it by, in upper hex; it proves nothing."""
        return self.certificate.fingerprint(SHA1()).hex().upper()  # noqa: S303

    @property
    def name(self) -> str:
        """What a person is shown: the common name, else the whole subject; printable."""
        names = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        text = str(names[0].value) if names else self.certificate.subject.rfc4514_string()
        return "".join(one if one.isprintable() else "?" for one in text)

    @property
    def label(self) -> str:
        """What our files and entries for it are called: the same for the same root, and for no other."""
        return f"zonemint-{self.sha256[:16]}"

    @property
    def is_constrained(self) -> bool:
        """Whether it may sign for some names only."""
        return _extension(self.certificate, x509.NameConstraints) is not None


def read(pem: bytes, *, now: float) -> tuple[list[Root], list[x509.Certificate]]:
    """Read certificates in PEM: the roots among them, and the others, which may be cross-signed; raises TrustError.

    One that says of itself that it is a root and cannot be one is an error, not something to leave out.
    """
    roots, others = [], []
    try:
        for one in x509.load_pem_x509_certificates(pem):
            # All parts that matter are parsed here, for they are not before they are asked for.
            _ = one.public_key(), one.extensions
            if one.issuer == one.subject:
                _check(one, now)
                roots.append(Root(one))
            else:
                others.append(one)
    except UNREADABLE:
        raise TrustError("this is not a certificate in PEM that we know") from None
    return list(dict.fromkeys(roots)), others


def fingerprint(text: str) -> str:
    """Read a SHA-256 as programs print it, with colons or without; return it in lower hex. Raises ValueError."""
    match = _FINGERPRINT.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"'{text}' is not a SHA-256 fingerprint: 64 hexadecimal digits, with colons or without")
    return match[1].replace(":", "")


def vouched(
    roots: Sequence[Root], others: Sequence[x509.Certificate], fingerprints: Collection[str]
) -> tuple[list[Root], list[Root]]:
    """Divide the roots into those that fingerprints speak for and the rest; raises TrustError if one speaks for none.

    A fingerprint speaks for its root, and for a successor which that root has signed as a root: during a rotation the
    new root comes along. Others that a server shows beside are not trusted.
    """
    trusted = [one for one in roots if one.sha256 in fingerprints]
    for wanted in fingerprints:
        if all(one.sha256 != wanted for one in trusted):
            shown = ", ".join(one.sha256 for one in roots) or "no root at all"
            raise TrustError(f"no root has the SHA-256 {wanted}; what came has {shown}: nothing was changed")
    for one in roots:
        if one not in trusted and any(_is_successor(one, by, cross) for by in trusted for cross in others):
            trusted.append(one)
    return trusted, [one for one in roots if one not in trusted]


def holds(pem: bytes, root: Root) -> bool:
    """Tell whether a bundle of certificates in PEM has a root; what cannot be read in it is passed over."""
    return root.der in _ders(pem)


def _ders(pem: bytes) -> Iterator[bytes]:
    for match in _PEM.finditer(pem):
        try:
            yield base64.b64decode(match[1])
        except binascii.Error:
            continue


def _check(certificate: x509.Certificate, now: float) -> None:
    """Raise TrustError unless a certificate that names itself as its issuer is a root, and valid now."""
    name = Root(certificate).name
    try:
        certificate.verify_directly_issued_by(certificate)
    except (*UNREADABLE, InvalidSignature):
        raise TrustError(f"'{name}' is no root: it did not sign itself") from None
    if not _may_sign(certificate):
        raise TrustError(f"'{name}' is not a CA's certificate: it may not sign others, so it is not to be trusted so")
    begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    if not begin <= now <= end:
        raise TrustError(f"'{name}' is valid from {rfc3339(begin)} to {rfc3339(end)}, and it is {_day(now)}")


def _is_successor(root: Root, by: Root, cross: x509.Certificate) -> bool:
    """Tell whether one root's key signed another's as a root: for its subject and key, and with no less than it says.

    An intermediate is signed so as well, and whoever has its key can make a root of it: that is kept out by what an
    intermediate has and a root has not, the limits on the names, on usage and on the path below it.
    """
    certificate = root.certificate
    if cross.subject != certificate.subject or _spki(cross) != _spki(certificate) or not _may_sign(cross):
        return False
    try:
        cross.verify_directly_issued_by(by.certificate)
    except (*UNREADABLE, InvalidSignature):
        return False
    limits = [_extension(one, x509.NameConstraints) for one in (cross, certificate, by.certificate)]
    basic = _extension(cross, x509.BasicConstraints)
    return (
        limits.count(limits[0]) == len(limits)
        and _extension(cross, x509.ExtendedKeyUsage) is None
        and isinstance(basic, x509.BasicConstraints)
        and (basic.path_length is None or basic.path_length > 0)
    )


def _may_sign(certificate: x509.Certificate) -> bool:
    basic = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    is_ca = isinstance(basic, x509.BasicConstraints) and basic.ca
    # A certificate without key usages may do all (RFC 5280 section 4.2.1.3).
    return is_ca and (usage is None or (isinstance(usage, x509.KeyUsage) and usage.key_cert_sign))


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d here: is the clock right?")
