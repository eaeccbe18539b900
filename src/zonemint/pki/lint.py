"""What a linter says of a certificate before it is signed: the checks of pkilint, which are those of RFC 5280.

`findings` alone imports pkilint, which takes a quarter of a second and a dozen megabytes: `app/linter.py` has another
process do it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.core.errors import BadName
from zonemint.core.names import hostname
from zonemint.pki.issue import MAX_COMMON_NAME, Prepared, Template
from zonemint.pki.keys import FileSigner, generate_any, kind_of

__all__ = ["Finding", "Pair", "findings", "shape", "stand_in"]

_2050 = 2_524_608_000  # from here on times have another form (RFC 5280 section 4.1.2.5)


class Pair(NamedTuple):
    """A certificate and that of its issuer, in DER."""

    certificate: bytes
    issuer: bytes


class Finding(NamedTuple):
    """What is wrong with a certificate, by pkilint's name for it; what is not `grave` is for the log only."""

    code: str
    detail: str
    grave: bool

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


def shape(
    template: Template, *, names: Sequence[str], ips: Sequence[str], key: CertificatePublicKeyTypes, until: float
) -> Hashable:
    """Return what a linter can tell certificates apart by, so that it has seen all of a shape when it has seen one.

    The issuer and the profile fix the extensions; the kind of the key fixes keyUsage; the others are which kinds of
    names there are, whether one of them is the subject's, and the form of the last time, which is about `until`
    (seconds since 1970). What a name itself says is checked with the order.
    """
    kind = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
    wildcard = any(name.startswith("*.") for name in names)
    common = any(len(name) <= MAX_COMMON_NAME for name in names)
    versions = frozenset(ip_address(ip).version for ip in ips)
    return template.issuer.key_id, template.profile, kind, bool(names), wildcard, common, versions, until >= _2050


def stand_in(prepared: Prepared) -> Pair:
    """Return the certificate as it will be, but signed with a key that was made for this, of the issuer's kind.

    Raises KeyFileError for an issuer's key of a kind that we cannot make.
    """
    issuer = prepared.issuer.certificate
    signed = _signer(kind_of(issuer.public_key())).sign_certificate(prepared.builder)
    return Pair(signed.public_bytes(Encoding.DER), issuer.public_bytes(Encoding.DER))


def findings(pair: Pair) -> list[Finding]:
    """Return what is wrong with a certificate, by itself and as its issuer's; its signature is not looked at."""
    from pkilint import document, loader
    from pkilint.validation import ValidationFindingSeverity as Severity

    load = loader.RFC5280CertificateDocumentLoader().load_document
    try:
        both: dict[str, Any] = {}
        both["issuer"] = load(pair.issuer, "issuer", "issuer", both)
        both["subject"] = load(pair.certificate, "certificate", "subject", both)
        alone, together = _validators()
        said, named = x509.load_der_x509_certificate(pair.certificate), x509.load_der_x509_certificate(pair.issuer)
        results = alone.validate(both["subject"].root) + together.validate(both["issuer"].root)
    except (ValueError, document.PDUNavigationFailedError) as error:
        return [Finding("unreadable", str(error), True)]
    if said.issuer.public_bytes() != named.subject.public_bytes():
        return [Finding("issuer_name", "the issuer's name is not the subject of the issuer's certificate", True)]
    return [
        Finding(one.finding.code, one.message or "", one.finding.severity <= Severity.ERROR)
        for result in results
        for one in result.finding_descriptions
        if one.finding.severity <= Severity.WARNING and not _is_ours(one.finding.code, str(result.node.pdu))
    ]


@lru_cache(maxsize=1)
def _validators() -> tuple[Any, Any]:
    """Return pkilint's checks of a certificate and those of its issuer beside it, as its own programs have them."""
    from pkilint import validation
    from pkilint.pkix import certificate, extension, name
    from pyasn1_alt_modules import rfc5280

    decoding = certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS)
    alone = certificate.create_pkix_certificate_validator_container(
        decoding,
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )

    def authority_key_identifier(node: Any) -> Any:
        return node.document.parent["subject"].get_extension_by_oid(rfc5280.id_ce_authorityKeyIdentifier)

    together = validation.ValidatorContainer(
        validators=[
            validation.ValidatorContainer(validators=decoding, path="certificate"),
            extension.IssuerSubjectKeyIdentifierBinaryEqualValidator(
                subject_auth_key_id_retriever=authority_key_identifier
            ),
        ]
    )
    return alone, together


def _is_ours(code: str, value: str) -> bool:
    """Tell whether pkilint refuses a name that is one: it knows of no wildcards, single labels and endings with digits.

    Every such name was held against the same rules with its order, so they are not asked twice.
    """
    try:
        if code == "pkix.invalid_domain_name_syntax":
            return hostname(value.removeprefix("*.")) == value.removeprefix("*.")
        if code == "pkix.invalid_uri_syntax":
            return bool(hostname(urlsplit(value).hostname or ""))
    except (BadName, ValueError):
        pass
    return False


@lru_cache(maxsize=16)
def _signer(kind: str) -> FileSigner:
    # The length of an RSA key is not seen in what it signs.
    return FileSigner(generate_any("rsa2048" if kind.startswith("rsa") else kind))
