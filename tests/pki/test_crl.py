from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from tests.pki.conftest import Ca
from tests.programs import require_program
from zonemint.pki import crl, issue, keys
from zonemint.pki.serials import new_serial

URL = "http://ca.lab.test/crl"


def build(ca: Ca, *revoked: tuple[int, float, int], number: int = 7) -> bytes:
    now, entries = int(ca.now), b"".join(crl.entry(serial, int(when), reason) for serial, when, reason in revoked)
    return crl.build(ca.authority.current, number=number, entries=entries, now=now, next_update=now + 86400, url=URL)


def test_the_list_says_what_rfc_5280_wants(ca: Ca) -> None:
    stated, silent, unspecified = new_serial(), new_serial(), new_serial()
    made = x509.load_der_x509_crl(build(ca, (stated, ca.now - 60, 1), (silent, ca.now, 0), (unspecified, ca.now, 77)))
    key = ca.authority.intermediate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert made.is_signature_valid(key)
    assert made.issuer == ca.authority.intermediate.subject
    assert made.last_update_utc.timestamp() == int(ca.now)
    assert made.next_update_utc is not None
    assert made.next_update_utc.timestamp() == int(ca.now + 86400)
    of = made.extensions.get_extension_for_class
    assert of(x509.CRLNumber).value.crl_number == 7
    above = ca.authority.intermediate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert of(x509.AuthorityKeyIdentifier).value.key_identifier == above.key_identifier
    point = of(x509.IssuingDistributionPoint)
    assert point.critical
    assert point.value.full_name == [x509.UniformResourceIdentifier(URL)]
    entries = {entry.serial_number: entry for entry in made}
    assert set(entries) == {stated, silent, unspecified}
    assert entries[stated].revocation_date_utc.timestamp() == int(ca.now - 60)
    reason = entries[stated].extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise
    assert not list(entries[silent].extensions)
    assert not list(entries[unspecified].extensions)


def test_openssl_reads_it(ca: Ca, tmp_path: Path) -> None:
    serial = new_serial()
    (tmp_path / "list.crl").write_bytes(build(ca, (serial, ca.now, 4)))
    said = subprocess.run(
        [
            *(
                require_program("openssl"),
                "crl",
                "-inform",
                "DER",
                "-in",
                str(tmp_path / "list.crl"),
                "-text",
                "-noout",
            ),
            *("-CAfile", str(ca.folder / "intermediate.crt"), "-verify"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "verify OK" in said.stderr
    assert f"Serial Number: {serial:032X}" in said.stdout
    assert "Superseded" in said.stdout


@pytest.mark.parametrize("is_revoked", [False, True])
def test_openssl_refuses_a_revoked_certificate_only(ca: Ca, tmp_path: Path, is_revoked: bool) -> None:
    serial = new_serial()
    prepared = issue.prepare(
        ca.template,
        names=["a.lab.test"],
        ips=[],
        public_key=keys.generate().public_key(),
        serial=serial,
        now=ca.now,
    )
    (tmp_path / "leaf.pem").write_bytes(issue.pem(issue.sign(prepared).der))
    listed = serial if is_revoked else new_serial()
    (tmp_path / "list.crl").write_bytes(build(ca, (listed, ca.now - 1, 5)))
    said = subprocess.run(
        [
            *(require_program("openssl"), "verify", "-crl_check", "-CRLfile", str(tmp_path / "list.crl")),
            *("-CAfile", str(ca.folder / "root.crt"), "-untrusted", str(ca.folder / "intermediate.crt")),
            str(tmp_path / "leaf.pem"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (said.returncode != 0) == is_revoked
    assert ("certificate revoked" in said.stderr) == is_revoked


def test_a_list_without_entries_has_no_list_of_them(ca: Ca) -> None:
    made = x509.load_der_x509_crl(build(ca))
    assert len(made) == 0
    assert b"\x30\x00" not in made.tbs_certlist_bytes


@given(
    st.integers(1, 2**159 - 1),
    st.integers(0, 4_000_000_000),
    st.sampled_from([0, 1, 3, 4, 5, 9]),
)
def test_another_implementation_reads_each_entry(ca: Ca, serial: int, when: int, reason: int) -> None:
    (entry,) = x509.load_der_x509_crl(build(ca, (serial, when, reason)))
    assert (entry.serial_number, entry.revocation_date_utc.timestamp()) == (serial, when)
    if reason:
        said = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert said == x509.ReasonFlags(crl.REASONS[reason])
    else:
        assert not list(entry.extensions)


@pytest.mark.parametrize(
    "key",
    [keys.generate(), keys.generate("p384"), rsa.generate_private_key(public_exponent=65537, key_size=2048)],
    ids=["p256", "p384", "rsa"],
)
def test_octets_are_signed_as_certificates_are(ca: Ca, key: keys.PrivateKey) -> None:
    signer = keys.FileSigner(key)
    linted = x509.load_der_x509_certificate(issue.sign(prepared(ca)).der)
    builder = (
        x509.CertificateBuilder()
        .subject_name(linted.subject)
        .issuer_name(linted.issuer)
        .public_key(linted.public_key())
        .serial_number(5)
        .not_valid_before(linted.not_valid_before_utc)
        .not_valid_after(linted.not_valid_after_utc)
    )
    assert signer.algorithm in signer.sign_certificate(builder).tbs_certificate_bytes
    public = signer.public_key
    if isinstance(public, ec.EllipticCurvePublicKey):
        assert isinstance(public.curve, ec.SECP256R1 | ec.SECP384R1)
        digest = hashes.SHA256() if isinstance(public.curve, ec.SECP256R1) else hashes.SHA384()
        public.verify(signer.sign(b"octets"), b"octets", ec.ECDSA(digest))
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signer.sign(b"octets"), b"octets", padding.PKCS1v15(), hashes.SHA256())


def prepared(ca: Ca) -> issue.Prepared:
    key = keys.generate().public_key()
    return issue.prepare(ca.template, names=["a.lab.test"], ips=[], public_key=key, serial=new_serial(), now=ca.now)
