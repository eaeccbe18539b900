from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.pki.conftest import Ca
from tests.programs import require_program
from zonemint.pki import crl, issue, keys
from zonemint.pki.serials import new_serial

URL = "http://ca.lab.test/crl"


def build(ca: Ca, *revoked: tuple[int, float, str | None], number: int = 7) -> bytes:
    return crl.build(
        ca.authority.current, number=number, revoked=revoked, now=ca.now, next_update=ca.now + 86400, url=URL
    )


def test_the_list_says_what_rfc_5280_wants(ca: Ca) -> None:
    stated, silent, unspecified = new_serial(), new_serial(), new_serial()
    made = x509.load_der_x509_crl(
        build(ca, (stated, ca.now - 60, "keyCompromise"), (silent, ca.now, None), (unspecified, ca.now, "unspecified"))
    )
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
    (tmp_path / "list.crl").write_bytes(build(ca, (serial, ca.now, "superseded")))
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
    (tmp_path / "list.crl").write_bytes(build(ca, (listed, ca.now - 1, "cessationOfOperation")))
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


def test_an_empty_list_is_a_list(ca: Ca) -> None:
    assert not list(x509.load_der_x509_crl(build(ca)))


def test_a_reason_that_nobody_knows_is_refused(ca: Ca) -> None:
    with pytest.raises(ValueError, match="boredom"):
        build(ca, (new_serial(), ca.now, "boredom"))
