"""Certificate revocation lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.pki.issuer import Issuer

__all__ = ["build"]


def build(
    issuer: Issuer,
    *,
    number: int,
    revoked: Iterable[tuple[int, float, str | None]],
    now: float,
    next_update: float,
    url: str,
) -> bytes:
    """Return the DER of the full list of what an issuer revoked (RFC 5280 section 5).

    `revoked` has serial, seconds since 1970 and reason (`keyCompromise`, ..., section 5.3.1; None and `unspecified`
    are left out of the entry, as it asks). `number` grows with every list. `url` must be the one in the
    certificates: the critical issuing distribution point (section 5.2.5) tells that the list is for them.

    Raises ValueError for a reason of another name.
    """
    issuer_key = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    # The builder's own `add_revoked_certificate` copies the list for each entry.
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject,
        last_update=_time(now),
        next_update=_time(next_update),
        revoked_certificates=[_entry(serial, when, reason) for serial, when, reason in revoked],
    )
    builder = (
        builder.add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .add_extension(
            x509.IssuingDistributionPoint(
                full_name=[x509.UniformResourceIdentifier(url)],
                relative_name=None,
                only_contains_user_certs=False,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=False,
                only_contains_attribute_certs=False,
            ),
            critical=True,
        )
    )
    return issuer.signer.sign_crl(builder).public_bytes(Encoding.DER)


def _entry(serial: int, when: float, reason: str | None) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_time(when))
    if reason is not None and reason != x509.ReasonFlags.unspecified.value:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), critical=False)
    return builder.build()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
