from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from tests.pki.conftest import Ca
from tests.pki.verifiers import VERIFIERS, Verifier
from zonemint.core.errors import IssuanceError
from zonemint.pki import issue, keys, profiles
from zonemint.pki.serials import new_serial

P256 = keys.generate().public_key()
LONG = ".".join(["a" * 60, "b" * 60, "lab.test"])

every_verifier = pytest.mark.parametrize("verify", VERIFIERS.values(), ids=VERIFIERS)


def issue_for(ca: Ca, names: list[str], ips: list[str], key: CertificatePublicKeyTypes = P256) -> issue.Issued:
    prepared = issue.prepare(ca.template, names=names, ips=ips, public_key=key, serial=new_serial(), now=ca.now)
    return issue.sign(prepared)


def parsed(issued: issue.Issued) -> x509.Certificate:
    return x509.load_der_x509_certificate(issued.der)


@every_verifier
@pytest.mark.parametrize(
    ("names", "ips", "asked"),
    [
        (["server-1.lab.test"], [], "server-1.lab.test"),
        (["lab.test"], [], "lab.test"),
        (["*.lab.test", "lab.test"], [], "any.lab.test"),
        (["www.example.internal", "lab.test"], [], "www.example.internal"),
        (["localhost"], [], "localhost"),
        ([LONG], [], LONG),
        ([], ["10.1.2.3"], "10.1.2.3"),
        ([], ["fd00::1"], "fd00::1"),
        (["nas.lab.test"], ["192.168.1.5", "127.0.0.1", "::1"], "192.168.1.5"),
    ],
)
def test_verifiers_accept(
    ca: Ca, tmp_path: Path, verify: Verifier, names: list[str], ips: list[str], asked: str
) -> None:
    assert verify(ca, issue_for(ca, names, ips), asked, tmp_path) is None


@every_verifier
@pytest.mark.parametrize(
    "key",
    [
        keys.generate("p384").public_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
    ids=["p384", "rsa", "ed25519"],
)
def test_verifiers_accept_every_kind_of_key(
    ca: Ca, tmp_path: Path, verify: Verifier, key: CertificatePublicKeyTypes
) -> None:
    assert verify(ca, issue_for(ca, ["a.lab.test"], [], key), "a.lab.test", tmp_path) is None


@every_verifier
@pytest.mark.parametrize(
    ("names", "ips", "asked"),
    [
        (["www.example.com"], [], "www.example.com"),
        (["a.lab.test", "www.example.com"], [], "a.lab.test"),
        (["notlab.test"], [], "notlab.test"),
        (["*.test"], [], "lab.test"),
        ([], ["8.8.8.8"], "8.8.8.8"),
        (["a.lab.test"], ["2001:db8::1"], "a.lab.test"),
    ],
)
def test_verifiers_refuse_what_the_intermediate_may_not_sign(
    ca: Ca, tmp_path: Path, verify: Verifier, names: list[str], ips: list[str], asked: str
) -> None:
    assert verify(ca, issue_for(ca, names, ips), asked, tmp_path) is not None


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("openssl", x509.RFC822Name("someone@example.com")),
        ("openssl", x509.UniformResourceIdentifier("spiffe://example.com/x")),
        ("gnutls", x509.RFC822Name("someone@example.com")),
    ],
    ids=["openssl-mail", "openssl-uri", "gnutls-mail"],
)
def test_verifiers_refuse_mail_and_uris_of_other_domains(
    ca: Ca, tmp_path: Path, program: str, name: x509.GeneralName
) -> None:
    builder = x509.CertificateBuilder(
        issuer_name=ca.authority.intermediate.subject,
        subject_name=x509.Name([]),
        public_key=P256,
        serial_number=new_serial(),
        not_valid_before=datetime.fromtimestamp(ca.now - 60, UTC),
        not_valid_after=datetime.fromtimestamp(ca.now + 3600, UTC),
        extensions=list(ca.template.extensions),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("a.lab.test"), name]), critical=True)
    leaf = issue.sign(issue.Prepared(ca.authority.current, 1, 0, 0, builder))
    said = VERIFIERS[program](ca, leaf, "a.lab.test", tmp_path)
    assert said is not None
    assert "subtree" in said or "constraint" in said


def test_the_certificate_says_what_rfc_5280_wants(ca: Ca) -> None:
    issued = issue_for(ca, ["b.lab.test", "a.lab.test"], ["10.0.0.1"])
    certificate = parsed(issued)
    of = certificate.extensions.get_extension_for_class
    assert certificate.serial_number == issued.serial
    assert certificate.subject.rfc4514_string() == "CN=b.lab.test"
    assert certificate.issuer == ca.authority.intermediate.subject
    assert (of(x509.BasicConstraints).critical, of(x509.BasicConstraints).value.ca) == (True, False)
    assert of(x509.KeyUsage).critical
    assert of(x509.KeyUsage).value.digital_signature
    assert not of(x509.KeyUsage).value.key_encipherment
    assert list(of(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = of(x509.SubjectAlternativeName)
    assert not names.critical
    assert names.value.get_values_for_type(x509.DNSName) == ["b.lab.test", "a.lab.test"]
    assert names.value.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.1")]
    above = ca.authority.intermediate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert of(x509.AuthorityKeyIdentifier).value.key_identifier == above.key_identifier
    assert of(x509.SubjectKeyIdentifier).value == x509.SubjectKeyIdentifier.from_public_key(P256)
    (point,) = of(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("http://ca.lab.test/crl")]
    (access,) = of(x509.AuthorityInformationAccess).value
    assert access.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    assert access.access_location.value == "http://ca.lab.test/intermediate.crt"
    assert len(list(certificate.extensions)) == 8


def test_an_rsa_key_may_encipher_keys(ca: Ca) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    usage = parsed(issue_for(ca, ["a.lab.test"], [], key)).extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment


@pytest.mark.parametrize(("names", "ips"), [([LONG], []), ([], ["10.0.0.1"])])
def test_without_a_common_name_the_alternative_names_are_critical(ca: Ca, names: list[str], ips: list[str]) -> None:
    certificate = parsed(issue_for(ca, names, ips))
    assert not list(certificate.subject)
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def of_profile(ca: Ca, profile: profiles.Profile, *names: str) -> x509.Certificate:
    template = issue.template(
        ca.authority.current, profile, crl_url="http://ca.lab.test/crl", issuer_url="http://ca.lab.test/i"
    )
    prepared = issue.prepare(template, names=names, ips=[], public_key=P256, serial=new_serial(), now=ca.now)
    return parsed(issue.sign(prepared))


def test_a_profile_decides_on_the_subject(ca: Ca) -> None:
    fixed = (x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lab, Inc."))
    both = of_profile(ca, profiles.Profile("x", 86400, subject=fixed), "a.lab.test")
    assert both.subject.rfc4514_string() == "CN=a.lab.test,O=Lab\\, Inc.,C=DE"
    alone = of_profile(ca, profiles.Profile("x", 86400, subject=fixed, common_name=False), "a.lab.test")
    assert alone.subject.rfc4514_string() == "O=Lab\\, Inc.,C=DE"
    assert not alone.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    none = of_profile(ca, profiles.Profile("x", 86400, common_name=False), "a.lab.test")
    assert not list(none.subject)
    assert none.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


@every_verifier
def test_verifiers_accept_fixed_attributes(ca: Ca, tmp_path: Path, verify: Verifier) -> None:
    fixed = (x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lab"),)
    profile = profiles.Profile("x", 86400, subject=fixed, common_name=False)
    template = issue.template(ca.authority.current, profile, crl_url=None, issuer_url=None)
    prepared = issue.prepare(template, names=["a.lab.test"], ips=[], public_key=P256, serial=new_serial(), now=ca.now)
    assert verify(ca, issue.sign(prepared), "a.lab.test", tmp_path) is None


@pytest.mark.parametrize(
    ("pointers", "missing"),
    [
        ({"points_to_crl": False}, x509.CRLDistributionPoints),
        ({"points_to_issuer": False}, x509.AuthorityInformationAccess),
    ],
)
def test_a_profile_decides_on_the_pointers(
    ca: Ca, pointers: dict[str, bool], missing: type[x509.ExtensionType]
) -> None:
    whole = of_profile(ca, profiles.Profile("x", 86400), "a.lab.test").extensions
    less = of_profile(ca, profiles.Profile("x", 86400, **pointers), "a.lab.test").extensions  # type: ignore[arg-type]
    assert {one.oid for one in whole} - {one.oid for one in less} == {missing.oid}


def test_urls_that_are_not_served_are_not_named(ca: Ca) -> None:
    template = issue.template(ca.authority.current, profiles.SHORTLIVED, crl_url=None, issuer_url=None)
    prepared = issue.prepare(template, names=["a.lab.test"], ips=[], public_key=P256, serial=new_serial(), now=ca.now)
    extensions = parsed(issue.sign(prepared)).extensions
    for kind in (x509.CRLDistributionPoints, x509.AuthorityInformationAccess):
        with pytest.raises(x509.ExtensionNotFound):
            extensions.get_extension_for_class(kind)


def test_the_validity_is_the_profiles_and_inclusive(ca: Ca) -> None:
    issued = issue_for(ca, ["a.lab.test"], [])
    certificate = parsed(issued)
    assert certificate.not_valid_before_utc.timestamp() == issued.not_before == int(ca.now) - 3600
    assert certificate.not_valid_after_utc.timestamp() == issued.not_after
    assert issued.not_after - issued.not_before + 1 == 90 * 86400


def test_nothing_outlives_the_issuer(ca: Ca) -> None:
    late = ca.authority.current.not_after - 86400
    prepared = issue.prepare(ca.template, names=["a.lab.test"], ips=[], public_key=P256, serial=new_serial(), now=late)
    certificate = parsed(issue.sign(prepared))
    assert certificate.not_valid_after_utc == ca.authority.intermediate.not_valid_after_utc


def test_what_would_have_expired_is_not_made(ca: Ca) -> None:
    def prepare(now: float, not_after: float | None = None) -> issue.Prepared:
        return issue.prepare(
            ca.template, names=["a.lab.test"], ips=[], public_key=P256, serial=1, now=now, not_after=not_after
        )

    with pytest.raises(IssuanceError, match="its time has passed"):
        prepare(ca.authority.current.not_after + 1)
    with pytest.raises(IssuanceError, match="its time has passed"):
        prepare(ca.now, not_after=ca.now - 1)
    assert prepare(ca.now, not_after=ca.now + 1).not_after == int(ca.now + 1)


def test_the_orders_own_times_are_kept(ca: Ca) -> None:
    prepared = issue.prepare(
        ca.template,
        names=["a.lab.test"],
        ips=[],
        public_key=P256,
        serial=new_serial(),
        now=ca.now,
        not_before=ca.now + 60,
        not_after=ca.now + 3660,
    )
    assert (prepared.not_before, prepared.not_after) == (int(ca.now + 60), int(ca.now + 3660))


@every_verifier
@pytest.mark.parametrize(
    "asked", ["ca.lab.test", "ns1.lab.test", "auth.lab.test", "localhost", "127.0.0.1", "10.9.8.7"]
)
def test_our_own_listener_is_trusted_by_all_its_names(ca: Ca, tmp_path: Path, verify: Verifier, asked: str) -> None:
    prepared = issue.prepare(
        ca.template,
        names=["ca.lab.test", "ns1.lab.test", "auth.lab.test", "localhost"],
        ips=["127.0.0.1", "10.9.8.7"],
        public_key=P256,
        serial=new_serial(),
        now=ca.now,
    )
    assert verify(ca, issue.sign(prepared), asked, tmp_path) is None


def test_the_pem_is_the_der(ca: Ca) -> None:
    issued = issue_for(ca, ["a.lab.test"], [])
    assert x509.load_pem_x509_certificate(issue.pem(issued.der)) == parsed(issued)
    assert isinstance(parsed(issued).public_key(), ec.EllipticCurvePublicKey)


def test_serials_are_random_and_of_one_length() -> None:
    serials = {new_serial() for _ in range(1000)}
    assert len(serials) == 1000
    assert {serial.bit_length() for serial in serials} == {127}
