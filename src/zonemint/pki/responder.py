"""The certificate of an OCSP responder: by it, the issuer lets another key answer (RFC 6960 section 4.2.2.2)."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zonemint.core.clock import rfc3339
from zonemint.core.errors import IssuanceError
from zonemint.pki.issue import MAX_COMMON_NAME, SIGNING_USAGE, Prepared
from zonemint.pki.issuer import Issuer

__all__ = ["LIFETIME", "prepare"]

LIFETIME = 7 * 86400
"""Seconds for which a responder may answer. Nothing tells that its certificate was revoked, so it is short."""

_BACKDATE = 3600


def prepare(issuer: Issuer, *, public_key: CertificatePublicKeyTypes, serial: int, now: float) -> Prepared:
    """Put together the certificate; raises IssuanceError when the issuer has expired."""
    start = max(int(now) - _BACKDATE, int(issuer.not_before))
    end = min(int(now) - _BACKDATE + LIFETIME - 1, int(issuer.not_after))
    if end < now:
        raise IssuanceError(f"the issuer ended at {rfc3339(issuer.not_after)}")
    names = issuer.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    common = f"OCSP of {str(names[0].value) if names else issuer.key_id}"[:MAX_COMMON_NAME]
    key_id = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.certificate.subject)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(datetime.fromtimestamp(start, UTC))
        .not_valid_after(datetime.fromtimestamp(end, UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(SIGNING_USAGE.value, critical=SIGNING_USAGE.critical)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    return Prepared(issuer, serial, start, end, builder)
