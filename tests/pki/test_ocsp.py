from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as reference
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from tests.pki.conftest import Ca
from tests.programs import require_program
from zonemint.core.errors import ForeignDataError
from zonemint.pki import issue, lint, ocsp, responder
from zonemint.pki.ocsp import Responder, Single, Status
from zonemint.pki.serials import new_serial

KEY = ec.generate_private_key(ec.SECP256R1())
NAME_HASH, KEY_HASH = b"n" * 20, b"k" * 20
SHA1: hashes.HashAlgorithm = hashes.SHA1()


def asked(
    *extensions: tuple[x509.ExtensionType, bool], serial: int = 5, algorithm: hashes.HashAlgorithm = SHA1
) -> bytes:
    octets = algorithm.digest_size
    builder = reference.OCSPRequestBuilder().add_certificate_by_hash(b"n" * octets, b"k" * octets, serial, algorithm)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.build().public_bytes(Encoding.DER)


def tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    head = (length,) if length < 128 else (0x81, length) if length < 256 else (0x82, length >> 8, length & 255)
    return bytes((tag, *head)) + content


def of_several(*serials: int, version: int = 0, tail: bytes = b"", requestor: bytes = b"") -> bytes:
    """A request that cryptography cannot make."""
    single = asked()
    certificate = ocsp.parse(single).certificates[0].der
    assert certificate[-3:] == b"\x02\x01\x05"
    each = b"".join(tlv(0x30, certificate[:-1] + bytes([serial])) for serial in serials)
    head = tlv(0xA0, tlv(0x02, bytes([version]))) if version else b""
    return tlv(0x30, tlv(0x30, head + requestor + tlv(0x30, each)) + tail)


@pytest.mark.parametrize(
    "algorithm", [SHA1, hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda one: one.name
)
def test_what_another_implementation_asks(algorithm: hashes.HashAlgorithm) -> None:
    nonce = x509.OCSPNonce(b"0123456789abcdef")
    query = ocsp.parse(asked((nonce, False), serial=2**127, algorithm=algorithm))
    (one,) = query.certificates
    assert (one.hash_name, one.serial) == (algorithm.name, 2**127)
    assert (one.name_hash, one.key_hash) == (b"n" * algorithm.digest_size, b"k" * algorithm.digest_size)
    assert query.nonce.endswith(b"0123456789abcdef")


def test_several_certificates() -> None:
    assert [one.serial for one in ocsp.parse(of_several(1, 2, 3)).certificates] == [1, 2, 3]


def test_a_signed_request_is_read_and_its_signature_is_not() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]).public_bytes()
    signature = tlv(0xA0, tlv(0x30, tlv(0x30, b"\x06\x03\x2b\x65\x70") + tlv(0x03, b"\0" + b"s" * 64)))
    for requestor in (tlv(0xA4, name), tlv(0x81, b"me@lab.test"), tlv(0x87, b"\x0a\0\0\1")):
        signed = of_several(7, requestor=tlv(0xA1, requestor), tail=signature)
        assert ocsp.parse(signed).certificates[0].serial == 7


MALFORMED = {
    "nothing": b"",
    "text": b"hello",
    "cut": asked()[:-1],
    "a tail": asked() + b"\0",
    "no certificates": of_several(),
    "too many": of_several(*range(1, ocsp.MAX_CERTIFICATES + 2)),
    "version 2": of_several(1, version=1),
    "an empty nonce": asked(
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2"), b"\x04\0"), False)
    ),
    "a long nonce": asked((x509.OCSPNonce(b"x" * 129), False)),
    "a nonce of no type": asked(
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2"), b"x"), False)
    ),
    "critical": asked((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\0"), True)),
}


@pytest.mark.parametrize("der", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests(der: bytes) -> None:
    with pytest.raises(ForeignDataError):
        ocsp.parse(der)


def test_extensions_that_we_do_not_know_do_not_matter() -> None:
    assert (
        ocsp.parse(asked((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\0"), False))).nonce == b""
    )


@given(st.binary(max_size=200))
def test_any_octets_are_a_request_or_not(der: bytes) -> None:
    with contextlib.suppress(ForeignDataError):
        ocsp.parse(der)


@given(st.data())
def test_a_damaged_request_is_one_or_not(data: st.DataObject) -> None:
    der = bytearray(of_several(1, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        query = ocsp.parse(bytes(der))
    except ForeignDataError:
        return
    assert 1 <= len(query.certificates) <= ocsp.MAX_CERTIFICATES


@pytest.fixture(scope="module")
def delegate(ca: Ca) -> Responder:
    prepared = responder.prepare(ca.authority.current, public_key=KEY.public_key(), serial=new_serial(), now=ca.now)
    assert lint.findings(lint.stand_in(prepared)) == []
    return Responder(KEY, issue.sign(prepared).der)


def answer(delegate: Responder, *singles: Single, nonce: bytes = b"", now: int) -> bytes:
    return ocsp.respond(delegate, singles, nonce=nonce, this_update=now, next_update=now + 3600, now=now)


def test_another_implementation_reads_the_response(ca: Ca, delegate: Responder) -> None:
    now = int(ca.now)
    query = ocsp.parse(asked((x509.OCSPNonce(b"0123456789abcdef"), False), serial=77))
    (one,) = query.certificates
    said: Any = reference.load_der_ocsp_response(
        answer(delegate, Single(one, True, now - 60, 4), nonce=query.nonce, now=now)
    )
    assert said.response_status is reference.OCSPResponseStatus.SUCCESSFUL
    assert (said.serial_number, said.issuer_name_hash, said.issuer_key_hash) == (77, NAME_HASH, KEY_HASH)
    assert said.certificate_status is reference.OCSPCertStatus.REVOKED
    assert said.revocation_reason is x509.ReasonFlags.superseded
    assert said.revocation_time_utc.timestamp() == now - 60
    assert (said.this_update_utc.timestamp(), said.next_update_utc.timestamp()) == (now, now + 3600)
    assert said.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"0123456789abcdef"
    KEY.public_key().verify(said.signature, said.tbs_response_bytes, ec.ECDSA(said.signature_hash_algorithm))
    (certificate,) = said.certificates
    assert said.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(KEY.public_key()).digest
    certificate.verify_directly_issued_by(ca.authority.intermediate)
    assert certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.OCSP_SIGNING]


@pytest.mark.parametrize(
    ("known", "status"), [(True, reference.OCSPCertStatus.GOOD), (False, reference.OCSPCertStatus.UNKNOWN)]
)
def test_good_and_unknown(ca: Ca, delegate: Responder, known: bool, status: reference.OCSPCertStatus) -> None:
    (one,) = ocsp.parse(asked()).certificates
    said = reference.load_der_ocsp_response(answer(delegate, Single(one, known), now=int(ca.now)))
    assert said.certificate_status is status
    assert len(said.extensions) == 0


def test_an_unspecified_reason_is_left_out(ca: Ca, delegate: Responder) -> None:
    (one,) = ocsp.parse(asked()).certificates
    said = reference.load_der_ocsp_response(answer(delegate, Single(one, True, 5, 0), now=int(ca.now)))
    assert said.revocation_reason is None


@pytest.mark.parametrize("status", Status)
def test_failures(status: Status) -> None:
    assert reference.load_der_ocsp_response(ocsp.failure(status)).response_status.value == status


def test_openssl_reads_a_response_about_several(ca: Ca, delegate: Responder, tmp_path: Path) -> None:
    openssl = require_program("openssl")
    name, key = ocsp.issuer_hashes(ca.authority.intermediate, "sha1")
    request = of_several(1, 2, 3).replace(NAME_HASH, name).replace(KEY_HASH, key)
    one, two, three = ocsp.parse(request).certificates
    (tmp_path / "response").write_bytes(
        answer(delegate, Single(one, True), Single(two, True, int(ca.now), 1), Single(three, False), now=int(ca.now))
    )
    done = subprocess.run(
        [
            *(openssl, "ocsp", "-respin", str(tmp_path / "response"), "-resp_text"),
            *("-CAfile", str(ca.folder / "root.crt"), "-verify_other", str(ca.folder / "intermediate.crt")),
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Response verify OK" in done.stderr, done.stderr
    found = [line.split(":")[1].strip() for line in done.stdout.splitlines() if line.strip().startswith("Cert Status")]
    assert found == ["good", "revoked", "unknown"]
    assert "keyCompromise (0x1)" in done.stdout


def test_pkilint_has_no_findings(ca: Ca, delegate: Responder) -> None:
    from pkilint import loader, pkix
    from pkilint.pkix import extension, name
    from pkilint.pkix import ocsp as linter
    from pkilint.validation import ValidationFindingSeverity as Severity

    (one,) = ocsp.parse(asked()).certificates
    der = answer(delegate, Single(one, True, int(ca.now) - 5, 4), now=int(ca.now))
    checks = linter.create_pkix_ocsp_response_validator_container(
        [
            linter.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    results = checks.validate(loader.RFC6960OCSPResponseDocumentLoader().load_document(der, "response").root)
    grave = [
        found.finding.code
        for result in results
        for found in result.finding_descriptions
        if found.finding.severity <= Severity.WARNING
    ]
    assert grave == []
