from __future__ import annotations

import contextlib
import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import require_program
from zonemint.core.errors import CsrError
from zonemint.pki import csr, keys
from zonemint.pki.keys import spki_sha256

KEY = keys.generate()
SHA256 = hashes.SHA256()
NAMES = frozenset({"a.lab.test", "*.lab.test"})


def rsa_from_primes(p: int, q: int, e: int = 65537) -> rsa.RSAPrivateKey:
    """A key of an unusual size without the search for primes: Mersenne's are known."""
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def names_extension(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def request(
    *extensions: x509.ExtensionType,
    common: str | None = None,
    key: CertificateIssuerPrivateKeyTypes = KEY,
    digest: hashes.SHA256 | hashes.SHA224 | hashes.SHA384 | None = SHA256,
) -> bytes:
    subject = x509.Name([] if common is None else [x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def refusal(der: bytes, names: frozenset[str] = NAMES, ips: frozenset[str] = frozenset()) -> str:
    with pytest.raises(CsrError) as caught:
        csr.check(der, names=names, ips=ips)
    return str(caught.value)


VALID = request(names_extension("a.lab.test", "*.lab.test"))


@pytest.mark.parametrize(
    "der",
    [
        VALID,
        request(names_extension("*.lab.test", "a.lab.test", "a.lab.test")),
        request(names_extension("*.LAB.test", "A.lab.TEST")),
        request(names_extension("*.lab.test", "a.lab.test"), common="A.lab.test"),
        request(names_extension("*.lab.test"), common="a.lab.test"),
        request(names_extension("a.lab.test", "*.lab.test"), x509.TLSFeature([x509.TLSFeatureType.status_request])),
        request(names_extension("a.lab.test", "*.lab.test"), x509.BasicConstraints(ca=True, path_length=None)),
    ],
    ids=["plain", "other-order", "other-case", "common-name-too", "common-name-only", "feature", "asks-to-be-a-ca"],
)
def test_the_orders_names_in_any_order_and_case(der: bytes) -> None:
    accepted = csr.check(der, names=NAMES, ips=frozenset())
    assert accepted.public_key == KEY.public_key()
    assert accepted.spki_sha256 == spki_sha256(KEY.public_key())


def test_addresses() -> None:
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ip_address("fd00::1")), x509.DNSName("a.lab.test")])
    der = request(alternatives, common="fd00::1")
    csr.check(der, names=frozenset({"a.lab.test"}), ips=frozenset({"fd00::1"}))
    assert "'fd00::1' is not in the order" in refusal(der, frozenset({"a.lab.test"}))


@pytest.mark.parametrize(
    ("key", "digest", "kind", "bits"),
    [
        (keys.generate(), SHA256, "p256", 256),
        (keys.generate("p384"), hashes.SHA384(), "p384", 384),
        (ec.generate_private_key(ec.SECP521R1()), SHA256, "p521", 521),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), SHA256, "rsa", 2048),
        (ed25519.Ed25519PrivateKey.generate(), None, "ed25519", 256),
    ],
    ids=["p256", "p384", "p521", "rsa2048", "ed25519"],
)
def test_the_kinds_of_key_that_we_certify(
    key: CertificateIssuerPrivateKeyTypes, digest: hashes.SHA256 | hashes.SHA384 | None, kind: str, bits: int
) -> None:
    der = request(names_extension(*NAMES), key=key, digest=digest)
    accepted = csr.check(der, names=NAMES, ips=frozenset())
    assert (accepted.public_key, accepted.kind, accepted.bits) == (key.public_key(), kind, bits)


@pytest.mark.parametrize(
    ("key", "digest", "said"),
    [
        (rsa_from_primes(2**521 - 1, 2**607 - 1), SHA256, "1128 bits"),
        (rsa_from_primes(2**2203 - 1, 2**2281 - 1), SHA256, "4484 bits"),
        (rsa_from_primes(2**1279 - 1, 2**2203 - 1, e=17), SHA256, "exponent"),
        (ec.generate_private_key(ec.SECP256K1()), SHA256, "secp256k1"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), SHA256, "brainpoolP256r1"),
        (dsa.generate_private_key(1024), SHA256, "of a kind"),
        (ed448.Ed448PrivateKey.generate(), None, "of a kind"),
    ],
    ids=["rsa-short", "rsa-long", "rsa-exponent", "secp256k1", "brainpool", "dsa", "ed448"],
)
def test_keys_that_are_refused(key: CertificateIssuerPrivateKeyTypes, digest: hashes.SHA256 | None, said: str) -> None:
    assert said in refusal(request(names_extension(*NAMES), key=key, digest=digest))


@pytest.mark.parametrize(
    ("der", "said"),
    [
        (b"", "not a DER"),
        (VALID[:-1], "not a DER"),
        (VALID + b"\0", "not a DER"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n", "not a DER"),
        (VALID[:-3] + bytes([VALID[-3] ^ 1]) + VALID[-2:], "signature does not fit"),
        (VALID.replace(b"a.lab.test", b"b.lab.test"), "signature does not fit"),
        (request(names_extension("a.lab.test")), "'*.lab.test' is in the order and not in the CSR"),
        (request(names_extension(*NAMES, "b.lab.test")), "'b.lab.test' is not in the order"),
        (request(names_extension(*NAMES), common="b.lab.test"), "'b.lab.test' is not in the order"),
        (request(), "in the order and not in the CSR"),
        (request(names_extension(*NAMES), digest=hashes.SHA224()), "sha224"),
        (
            request(x509.SubjectAlternativeName([x509.RFC822Name("me@lab.test")]), common="a.lab.test"),
            "neither a DNS name nor an IP address",
        ),
        (
            request(x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x03\x82\x01")),
            "extensions cannot be read",
        ),
        (
            request(
                x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x06\x87\x04\x0a\x00\x00\x01")
            ),
            "'10.0.0.1' is not in the order",
        ),
    ],
)
def test_faults(der: bytes, said: str) -> None:
    assert said in refusal(der)


def test_an_address_written_as_a_name_is_not_the_address() -> None:
    der = request(names_extension("10.0.0.1"))
    assert "types differ" in refusal(der, frozenset(), frozenset({"10.0.0.1"}))


def test_forbidden_keys_are_refused_with_their_reason() -> None:
    forbidden = {spki_sha256(KEY.public_key()): "is the account's own key"}
    with pytest.raises(CsrError, match="key is the account's own key: make a new key"):
        csr.check(VALID, names=NAMES, ips=frozenset(), forbidden_keys=forbidden)


def test_a_version_that_there_is_not_is_a_csr_error() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    der = builder.sign(KEY, SHA256).public_bytes(Encoding.DER).replace(b"\x02\x01\x00", b"\x02\x01\x05", 1)
    with pytest.raises(CsrError, match="not a DER certification request"):
        csr.check(der, names=NAMES, ips=frozenset())


@pytest.mark.parametrize("digest", ["md5", "sha1"])
def test_old_signatures_are_refused(tmp_path: Path, digest: str) -> None:
    openssl = require_program("openssl")
    der = subprocess.run(
        [
            *(openssl, "req", f"-{digest}", "-newkey", "rsa:2048", "-noenc", "-keyout", str(tmp_path / "key.pem")),
            *("-subj", "/CN=a.lab.test", "-outform", "DER"),
        ],
        capture_output=True,
        timeout=20,
        check=True,
    ).stdout
    assert digest in refusal(der, frozenset({"a.lab.test"}))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_csr_error(der: bytes) -> None:
    assert refusal(der)


@given(st.data())
def test_any_damage_is_a_csr_error(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(VALID) - 1))
    end = data.draw(st.integers(start, min(start + 20, len(VALID))))
    damaged = VALID[:start] + data.draw(st.binary(max_size=20)) + VALID[end:]
    if damaged != VALID:
        assert refusal(damaged)


def dns_names(names: list[bytes]) -> bytes:
    """A subjectAltName whose names need not be text."""
    return tlv(0x30, b"".join(tlv(0x82, name) for name in names))


@given(
    st.sampled_from([ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.KEY_USAGE, ExtensionOID.NAME_CONSTRAINTS]),
    st.binary(max_size=60) | st.lists(st.binary(max_size=12), max_size=4).map(dns_names),
)
def test_any_signed_extension_is_a_csr_error(oid: x509.ObjectIdentifier, value: bytes) -> None:
    assert refusal(request(x509.UnrecognizedExtension(oid, value)))


@given(st.text(min_size=1, max_size=16).filter(lambda text: text.lower() not in NAMES))
def test_any_other_common_name_is_a_csr_error(common: str) -> None:
    said = refusal(request(names_extension(*NAMES), common=common))
    assert said.isascii()
    assert said.isprintable()


@given(st.data())
def test_any_damage_under_a_valid_signature_is_a_csr_error_or_without_effect(data: st.DataObject) -> None:
    whole = x509.load_der_x509_csr(request(names_extension(*NAMES), common="a.lab.test")).tbs_certrequest_bytes
    start = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:start] + data.draw(st.binary(max_size=3)) + whole[start + data.draw(st.integers(0, 3)) :]
    # Without effect is damage to the type of an attribute that nobody reads.
    with contextlib.suppress(CsrError):
        assert csr.check(signed(damaged), names=NAMES, ips=frozenset()).public_key == KEY.public_key()


def signed(information: bytes) -> bytes:
    """A request whose signature is right, whatever it says."""
    signature = KEY.sign(information, ec.ECDSA(SHA256))
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    return tlv(0x30, information + ecdsa_with_sha256 + tlv(0x03, b"\0" + signature))


def test_what_the_damage_starts_from_is_accepted() -> None:
    assert csr.check(signed(x509.load_der_x509_csr(VALID).tbs_certrequest_bytes), names=NAMES, ips=frozenset())


def tlv(tag: int, content: bytes) -> bytes:
    """One DER element of less than 65536 octets."""
    size = len(content).to_bytes(2).lstrip(b"\0") or b"\0"
    return bytes([tag]) + (size if len(content) < 128 else bytes([0x80 | len(size)]) + size) + content
