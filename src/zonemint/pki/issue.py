"""Issuance: from a checked request to a signed certificate, with room to record the serial in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from ssl import DER_cert_to_PEM_cert

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from zonemint.core.clock import rfc3339
from zonemint.core.errors import IssuanceError
from zonemint.pki.issuer import Issuer
from zonemint.pki.profiles import Profile

__all__ = [
    "MAX_COMMON_NAME",
    "SIGNING_USAGE",
    "Issued",
    "Prepared",
    "Template",
    "pem",
    "prepare",
    "served_at",
    "sign",
    "template",
]

MAX_COMMON_NAME = 64
"""How long a name may be to be a subject's common name (RFC 5280 appendix A: ub-common-name)."""


@dataclass(frozen=True, slots=True)
class Template:
    """What all certificates of one issuer and profile share, made once.

    With a `crl_window`, in seconds, a certificate points to the list for the window in which it ends, below `crl_url`.
    """

    issuer: Issuer
    profile: Profile
    extensions: tuple[x509.Extension[x509.ExtensionType], ...]
    issuer_not_before: float
    issuer_not_after: float
    crl_url: str = ""
    crl_window: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A certificate before its signature: record the serial, then `sign`; times in seconds since 1970, inclusive."""

    issuer: Issuer
    serial: int
    not_before: int
    not_after: int
    builder: x509.CertificateBuilder


@dataclass(frozen=True, slots=True)
class Issued:
    """A signed certificate, without its chain; times in seconds since 1970, inclusive; `issuer` is a key identifier."""

    issuer: str
    serial: int
    not_before: int
    not_after: int
    der: bytes


def served_at(base: str, issuer: Issuer, profile: Profile, *, crl_window: int) -> Template:
    """Make the constant part whose pointers are all below one URL, that of the plain listener."""
    return template(
        issuer,
        profile,
        crl_url=issuer.crl_url(base),
        issuer_url=issuer.certificate_url(base),
        ocsp_url=f"{base}/ocsp",
        crl_window=crl_window,
    )


def template(
    issuer: Issuer,
    profile: Profile,
    *,
    crl_url: str | None,
    issuer_url: str | None,
    ocsp_url: str | None = None,
    crl_window: int = 0,
) -> Template:
    """Make the constant part; the URLs are plain http, of the revocation list, of the issuer in DER and of OCSP.

    A profile may leave out what they point to. It is made once and then remembered.
    """
    return _template(issuer, profile, crl_url, issuer_url, ocsp_url, crl_window)


@lru_cache(maxsize=256)
def _template(
    issuer: Issuer,
    profile: Profile,
    crl_url: str | None,
    issuer_url: str | None,
    ocsp_url: str | None,
    crl_window: int,
) -> Template:
    issuer_key = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extensions: list[x509.Extension[x509.ExtensionType]] = [
        _extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        _extension(x509.ExtendedKeyUsage(profile.extended_key_usages)),
        _extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key)),
    ]
    crl_url = crl_url if profile.points_to_crl else None
    if crl_url is not None and not crl_window:
        extensions.append(_distribution_point(crl_url))
    accesses = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url, wanted in (
            (AuthorityInformationAccessOID.OCSP, ocsp_url, profile.points_to_ocsp),
            (AuthorityInformationAccessOID.CA_ISSUERS, issuer_url, profile.points_to_issuer),
        )
        if url is not None and wanted
    ]
    if accesses:
        extensions.append(_extension(x509.AuthorityInformationAccess(accesses)))
    window = crl_window if crl_url else 0
    return Template(issuer, profile, tuple(extensions), issuer.not_before, issuer.not_after, crl_url or "", window)


def prepare(
    template: Template,
    *,
    names: Sequence[str],
    ips: Sequence[str],
    public_key: CertificatePublicKeyTypes,
    serial: int,
    now: float,
    not_before: float | None = None,
    not_after: float | None = None,
) -> Prepared:
    """Put together a server certificate (RFC 5280 section 4) for identifiers that were validated.

    The subject is the first name of at most 64 characters as the common name: people and old software look there
    for it, unless the profile says otherwise. Without such a name, and without fixed attributes of the profile, the
    subject is empty and the subjectAltName critical (section 4.2.1.6); an address is never a common name, as verifiers
    would hold it against the DNS name constraints.

    Raises IssuanceError when the issuer has expired, or the order's time has passed meanwhile.
    """
    start, end = template.profile.validity(
        now=now,
        issuer_not_before=template.issuer_not_before,
        issuer_not_after=template.issuer_not_after,
        not_before=not_before,
        not_after=not_after,
    )
    if end < max(start, now):
        raise IssuanceError(f"the certificate would have ended at {rfc3339(end)}: its time has passed")
    profile = template.profile
    subject = list(profile.subject)
    if profile.common_name:
        common = next((name for name in names if len(name) <= MAX_COMMON_NAME), None)
        subject += [] if common is None else [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ip_address(ip)) for ip in ips]
    builder = x509.CertificateBuilder(
        issuer_name=template.issuer.certificate.subject,
        subject_name=x509.Name(subject),
        public_key=public_key,
        serial_number=serial,
        not_valid_before=datetime.fromtimestamp(start, UTC),
        not_valid_after=datetime.fromtimestamp(end, UTC),
        extensions=[
            *template.extensions,
            *_window_point(template, end),
            _RSA_USAGE if isinstance(public_key, rsa.RSAPublicKey) else SIGNING_USAGE,
            _extension(x509.SubjectAlternativeName(alternatives), critical=not subject),
            _extension(x509.SubjectKeyIdentifier.from_public_key(public_key)),
        ],
    )
    return Prepared(template.issuer, serial, start, end, builder)


def sign(prepared: Prepared) -> Issued:
    """Sign what was prepared, with the key of its issuer; raises IssuanceError where that is not."""
    certificate = prepared.issuer.signer.sign_certificate(prepared.builder)
    return Issued(
        issuer=prepared.issuer.key_id,
        serial=prepared.serial,
        not_before=prepared.not_before,
        not_after=prepared.not_after,
        der=certificate.public_bytes(Encoding.DER),
    )


def pem(der: bytes) -> bytes:
    """Write a certificate as PEM (RFC 7468 section 5)."""
    return DER_cert_to_PEM_cert(der).encode("ascii")


def _window_point(template: Template, end: int) -> list[x509.Extension[x509.ExtensionType]]:
    if not template.crl_window:
        return []
    begins = end // template.crl_window * template.crl_window
    return [_distribution_point(f"{template.crl_url}/{begins}-{begins + template.crl_window}")]


def _distribution_point(url: str) -> x509.Extension[x509.ExtensionType]:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return _extension(x509.CRLDistributionPoints([point]))


def _extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, critical, value)


def _key_usage(*, key_encipherment: bool) -> x509.Extension[x509.ExtensionType]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return _extension(usage, critical=True)


SIGNING_USAGE = _key_usage(key_encipherment=False)
"""keyUsage of keys that sign and do nothing else."""

# TLS 1.2 without forward secrecy encrypts to an RSA key.
_RSA_USAGE = _key_usage(key_encipherment=True)
