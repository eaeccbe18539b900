"""The certificates of a hierarchy of two: the self-signed root, and the intermediate that it holds to some domains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zonemint.pki import constraints
from zonemint.pki.keys import Signer
from zonemint.pki.serials import new_serial

__all__ = ["make_intermediate", "make_root"]

_YEAR = 31_557_600  # seconds of a Julian year
_ROOT_LIFETIME = 10 * _YEAR
_INTERMEDIATE_LIFETIME = 5 * _YEAR
_BACKDATE = 3600


def make_root(signer: Signer, *, common_name: str, now: float) -> x509.Certificate:
    """Sign a root of 10 years for the signer's own key.

    It is left unconstrained, so that a domain can be added later without asking every client to trust anew.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(signer.public_key)
    subject = _name(common_name)
    return signer.sign_certificate(
        _builder(subject, subject, signer.public_key, identifier, now, now - _BACKDATE + _ROOT_LIFETIME - 1, 1)
    )


def make_intermediate(
    root: x509.Certificate,
    root_signer: Signer,
    *,
    common_name: str,
    public_key: CertificatePublicKeyTypes,
    domains: Sequence[str],
    now: float,
) -> x509.Certificate:
    """Sign an intermediate of 5 years, or the rest of the root's life, held to `domains` by `constraints.build`.

    Verifiers apply the extended key usages of a CA to all below it: a stolen key signs no mail and no programs.
    """
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    end = min(now - _BACKDATE + _INTERMEDIATE_LIFETIME - 1, root.not_valid_after_utc.timestamp())
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return root_signer.sign_certificate(
        _builder(root.subject, _name(common_name), public_key, identifier, now, end, 0)
        .add_extension(usages, critical=False)
        .add_extension(constraints.build(domains), critical=True)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: CertificatePublicKeyTypes,
    issuer_key: x509.SubjectKeyIdentifier,
    now: float,
    not_after: float,
    path_length: int,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(new_serial())
        .not_valid_before(datetime.fromtimestamp(int(now) - _BACKDATE, UTC))
        .not_valid_after(datetime.fromtimestamp(int(not_after), UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(authority_key, critical=False)
    )
