from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.pki.conftest import Ca
from zonemint.pki import issue, lint, profiles
from zonemint.pki.issue import Prepared
from zonemint.pki.serials import new_serial

KEYS: dict[str, CertificatePublicKeyTypes] = {
    "p256": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "p521": ec.generate_private_key(ec.SECP521R1()).public_key(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
    "ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
}
LONG = f"{'a' * 63}.lab.test"


def prepared(ca: Ca, names: Sequence[str], ips: Sequence[str] = (), key: str = "p256") -> Prepared:
    return issue.prepare(ca.template, names=names, ips=ips, public_key=KEYS[key], serial=new_serial(), now=ca.now)


def codes(one: Prepared) -> list[str]:
    return [finding.code for finding in lint.findings(lint.stand_in(one)) if finding.grave]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("names", "ips"),
    [
        (["a.lab.test"], []),
        (["a.lab.test", "*.a.lab.test"], ["10.0.0.1", "fd00::1"]),
        (["localhost"], ["127.0.0.1"]),
        ([LONG], []),
        ([], ["10.0.0.1"]),
        (["xn--bcher-kva.lab.test", "1.lab.test"], []),
    ],
    ids=["host", "wildcard", "localhost", "long", "address", "a-label"],
)
def test_what_is_issued_has_no_findings(ca: Ca, names: list[str], ips: list[str], key: str) -> None:
    assert lint.findings(lint.stand_in(prepared(ca, names, ips, key))) == []


def test_all_but_the_signature_is_as_it_will_be(ca: Ca) -> None:
    one = prepared(ca, ["a.lab.test"])
    linted = x509.load_der_x509_certificate(lint.stand_in(one).certificate)
    real = x509.load_der_x509_certificate(issue.sign(one).der)
    assert linted.tbs_certificate_bytes == real.tbs_certificate_bytes
    with pytest.raises(InvalidSignature):
        linted.verify_directly_issued_by(ca.authority.intermediate)
    real.verify_directly_issued_by(ca.authority.intermediate)


def usage(**wanted: bool) -> x509.KeyUsage:
    none = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(**{**none, **wanted})


def rebuilt(
    ca: Ca, change: Callable[[dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]], None]
) -> Prepared:
    """A certificate with other extensions than ours."""
    one = prepared(ca, ["a.lab.test"])
    certificate = x509.load_der_x509_certificate(lint.stand_in(one).certificate)
    extensions = {extension.oid: extension for extension in certificate.extensions}
    change(extensions)
    builder = x509.CertificateBuilder(
        issuer_name=certificate.issuer,
        subject_name=certificate.subject,
        public_key=KEYS["p256"],
        serial_number=one.serial,
        not_valid_before=certificate.not_valid_before_utc,
        not_valid_after=certificate.not_valid_after_utc,
        extensions=list(extensions.values()),
    )
    return replace(one, builder=builder)


def put(value: x509.ExtensionType, critical: bool) -> Callable[[dict[x509.ObjectIdentifier, object]], None]:
    return lambda extensions: extensions.update({value.oid: x509.Extension(value.oid, critical, value)})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda every: every.pop(x509.AuthorityKeyIdentifier.oid), "pkix.authority_key_identifier_extension_absent"),
        (
            put(x509.AuthorityKeyIdentifier(b"other", None, None), False),
            "pkix.issuer_and_subject_key_identifier_not_equal",
        ),
        (put(usage(key_cert_sign=True), True), "pkix."),
        (put(usage(key_encipherment=True), True), "pkix."),
        (put(x509.NameConstraints([x509.DNSName("lab.test")], None), True), "pkix."),
        (put(x509.SubjectAlternativeName([x509.DNSName("a b.lab.test")]), False), "pkix.invalid_domain_name_syntax"),
        (put(x509.SubjectAlternativeName([x509.DNSName("a.*.lab.test")]), False), "pkix.invalid_domain_name_syntax"),
    ],
    ids=["no-aki", "other-aki", "sign-usage", "rsa-usage-for-ec", "constraints", "space", "inner-wildcard"],
)
def test_faults_are_found(ca: Ca, change: Callable[..., None], code: str) -> None:
    found = codes(rebuilt(ca, change))
    assert found
    assert any(one.startswith(code) for one in found)


def test_another_issuers_name_is_found(ca: Ca) -> None:
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Other CA")])
    one = prepared(ca, ["a.lab.test"])
    builder = x509.load_der_x509_certificate(lint.stand_in(one).certificate)
    changed = x509.CertificateBuilder(
        issuer_name=other,
        subject_name=builder.subject,
        public_key=KEYS["p256"],
        serial_number=one.serial,
        not_valid_before=datetime.fromtimestamp(one.not_before, UTC),
        not_valid_after=datetime.fromtimestamp(one.not_after, UTC),
        extensions=list(builder.extensions),
    )
    assert codes(replace(one, builder=changed)) == ["issuer_name"]


def test_what_is_no_certificate_is_a_finding(ca: Ca) -> None:
    issuer = ca.authority.intermediate.public_bytes(Encoding.DER)
    (found,) = lint.findings(lint.Pair(b"\x30\x00", issuer))
    assert found.grave


def test_a_shape_tells_apart_what_a_linter_can(ca: Ca) -> None:
    def shape(
        names: Sequence[str] = ("a.lab.test",),
        ips: Sequence[str] = (),
        key: str = "p256",
        template: issue.Template = ca.template,
        until: float = ca.now,
    ) -> object:
        return lint.shape(template, names=names, ips=ips, key=KEYS[key], until=until)

    shortlived = replace(ca.template, profile=profiles.SHORTLIVED)
    assert shape() == shape(["b.lab.test", "c.lab.test"])
    assert shape(ips=["10.0.0.1"]) == shape(ips=["10.0.0.2", "10.0.0.3"])
    different = [
        shape(),
        shape(["*.lab.test"]),
        shape([LONG]),
        shape([], ["10.0.0.1"]),
        shape(ips=["10.0.0.1"]),
        shape(ips=["fd00::1"]),
        shape(key="p521"),
        shape(key="rsa"),
        shape(template=shortlived),
        shape(until=2_600_000_000),
    ]
    assert len(set(different)) == len(different)
