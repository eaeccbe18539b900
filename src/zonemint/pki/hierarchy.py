"""The certificates of a hierarchy of two: the self-signed root, and the intermediate that it holds to some domains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zonemint.core.errors import KeyFileError
from zonemint.pki import constraints
from zonemint.pki.keys import FileSigner, Signer
from zonemint.pki.serials import new_serial

__all__ = ["BACKDATE", "ca_builder", "cross_sign", "make_intermediate", "make_request", "make_root", "succeed"]

_YEAR = 31_557_600  # seconds of a Julian year
_ROOT_LIFETIME = 10 * _YEAR
_INTERMEDIATE_LIFETIME = 5 * _YEAR
BACKDATE = 3600
"""How many seconds before it was made a CA's certificate begins, for clocks that run late."""

_CA_USAGE = x509.KeyUsage(
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
_USAGES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def make_root(signer: Signer, *, common_name: str, now: float, domains: Sequence[str] = ()) -> x509.Certificate:
    """Sign a root of 10 years for the signer's own key.

    It is left unconstrained without `domains`, so that one can be added later without asking every client to trust
    anew. Its path
    has room for another root that it vouches for (cross-signed) above an intermediate.
    """
    end = now - BACKDATE + _ROOT_LIFETIME - 1
    builder = ca_builder(None, common_name, signer.public_key, now=now, not_after=end, path_length=2)
    if domains:
        builder = builder.add_extension(constraints.build(domains), critical=True)
    return signer.sign_certificate(builder)


def succeed(old: x509.Certificate, signer: Signer, *, common_name: str, now: float) -> x509.Certificate:
    """Sign a root of 10 years for the signer's own key that takes an old one's place, with the old one's limits."""
    length = _path_length(old)
    end = now - BACKDATE + _ROOT_LIFETIME - 1
    builder = ca_builder(
        None,
        common_name,
        signer.public_key,
        now=now,
        not_after=end,
        path_length=None if length is None else max(length, 2),
    )
    return signer.sign_certificate(_limited_as(old, builder))


def cross_sign(root: x509.Certificate, by: x509.Certificate, by_signer: Signer, *, now: float) -> x509.Certificate:
    """Have one root vouch for another's name and key, for as long as both of them last (RFC 4210 section 4.4).

    Raises KeyFileError where its path length leaves no room for a root with an intermediate below it.
    """
    lengths = [one for one in (_path_length(root), _path_length(by)) if one is not None]
    above = _path_length(by)
    if above is not None and above < 2:
        raise KeyFileError(
            f"'{by.subject.rfc4514_string()}' has the path length {above} and cannot vouch for another root: "
            "make a new authority, and have clients trust its root before you change over"
        )
    length = min([*lengths, *([] if above is None else [above - 1])], default=None)
    begin = max(int(now) - BACKDATE, *(int(one.not_valid_before_utc.timestamp()) for one in (root, by)))
    end = min(root.not_valid_after_utc, by.not_valid_after_utc)
    identifiers = [one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value for one in (root, by)]
    builder = (
        x509.CertificateBuilder()
        .issuer_name(by.subject)
        .subject_name(root.subject)
        .public_key(root.public_key())
        .serial_number(new_serial())
        .not_valid_before(datetime.fromtimestamp(begin, UTC))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(identifiers[0], critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifiers[1]), critical=False)
    )
    return by_signer.sign_certificate(_limited_as(root, builder))


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
    end = min(now - BACKDATE + _INTERMEDIATE_LIFETIME - 1, root.not_valid_after_utc.timestamp())
    return root_signer.sign_certificate(
        ca_builder(root, common_name, public_key, now=now, not_after=end, path_length=0)
        .add_extension(_USAGES, critical=False)
        .add_extension(constraints.build(domains), critical=True)
    )


def make_request(signer: FileSigner, *, common_name: str, domains: Sequence[str]) -> x509.CertificateSigningRequest:
    """Sign a request (RFC 2986) for an intermediate as `make_intermediate` makes it, to be signed elsewhere."""
    return signer.sign_request(
        x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(signer.public_key), critical=False)
        .add_extension(_USAGES, critical=False)
        .add_extension(constraints.build(domains), critical=True)
    )


def ca_builder(
    issuer: x509.Certificate | None,
    common_name: str,
    public_key: CertificatePublicKeyTypes,
    *,
    now: float,
    not_after: float,
    path_length: int | None,
) -> x509.CertificateBuilder:
    """Begin the certificate of a CA (RFC 5280 section 4.2.1.9), self-signed without an issuer; times in seconds."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    above = identifier
    if issuer is not None:
        above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .issuer_name(subject if issuer is None else issuer.subject)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(new_serial())
        .not_valid_before(datetime.fromtimestamp(int(now) - BACKDATE, UTC))
        .not_valid_after(datetime.fromtimestamp(int(not_after), UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), critical=False)
    )


def _path_length(certificate: x509.Certificate) -> int | None:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length


def _limited_as(root: x509.Certificate, builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    """Hold a certificate to the names of a root; a client that trusts the root takes no other for its successor."""
    try:
        limits = root.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return builder
    return builder.add_extension(limits.value, critical=limits.critical)
