"""Keys in a token of SoftHSM, made by opensc's program, that never leave it."""

from __future__ import annotations

import gc
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pki.conftest import Ca
from tests.pki.verifiers import VERIFIERS
from tests.programs import require_program
from tests.softhsm import KINDS, Hsm, hsm
from zonemint.core.errors import ConfigError, IssuanceError, KeyFileError
from zonemint.pki import authority, crl, issue, keys, pkcs11, profiles
from zonemint.pki.authority import Plan
from zonemint.pki.pkcs11 import Uri, open_key
from zonemint.pki.serials import new_serial

__all__ = ["hsm"]

NOW = time.time()


@pytest.mark.parametrize("kind", KINDS)
def test_an_intermediate_in_a_token_issues_what_verifiers_accept(hsm: Hsm, tmp_path: Path, kind: str) -> None:
    source, pki = hsm.source(kind), tmp_path / "pki"
    authority.create(pki, name="Lab", domains=["lab.test"], now=NOW, plan=Plan(key=source.in_token()))
    assert not (pki / "intermediate.key").exists()
    found = authority.load(pki, now=NOW, source=source)
    assert keys.kind_of(found.intermediate.public_key()) == kind
    template = issue.template(found.current, profiles.DEFAULT, crl_url=None, issuer_url=None)
    ca = Ca(pki, found, template, NOW)
    public = keys.generate().public_key()
    for name, is_ours in (("a.lab.test", True), ("a.other.test", False)):
        prepared = issue.prepare(template, names=[name], ips=[], public_key=public, serial=new_serial(), now=NOW)
        issued = issue.sign(prepared)
        for which, verify in VERIFIERS.items():
            if (which, kind) != ("cryptography", "ed25519"):
                assert (verify(ca, issued, name, tmp_path) is None) == is_ours, which
    listed = crl.build(
        found.current, number=1, entries=b"", now=int(NOW), next_update=int(NOW) + 60, url="http://c.test/crl"
    )
    (tmp_path / "list.crl").write_bytes(listed)
    said = subprocess.run(
        [
            *(require_program("openssl"), "crl", "-inform", "DER", "-in", str(tmp_path / "list.crl"), "-noout"),
            *("-CAfile", str(pki / "intermediate.crt"), "-verify"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "verify OK" in said.stderr
    with pytest.raises(TypeError, match="stays in its token"):
        keys.pem_of_key(source.in_token() or keys.generate())


def test_a_root_in_a_token(hsm: Hsm, tmp_path: Path) -> None:
    """The root's key signs once, from its token, and the folder has no copy."""
    root_key = hsm.source("p384").in_token()
    assert root_key is not None
    plan = Plan(root_key=root_key, keeps_root_key=False)
    made = authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=NOW, plan=plan)
    assert keys.kind_of(made.root.public_key()) == "p384"
    assert not (tmp_path / "pki/root.key").exists()
    assert authority.load(tmp_path / "pki", now=NOW).fingerprint == made.fingerprint


def test_a_key_is_found_by_its_id(hsm: Hsm) -> None:
    by_label = open_key(hsm.uri("p256"), hsm.pin)
    by_id = open_key(f"pkcs11:token=zonemint;id=%01?module-path={hsm.module}", hsm.pin)
    assert by_id.public_key() == by_label.public_key()


def test_what_is_wrong_with_a_token_is_one_line(hsm: Hsm, tmp_path: Path) -> None:
    def refused(uri: str, pin: Path | None = hsm.pin) -> str:
        with pytest.raises(KeyFileError) as caught:
            open_key(uri, pin)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    wrong.chmod(0o600)
    assert "no public keys of this label and id" in refused(hsm.uri("none"))
    assert "no token fits" in refused(hsm.uri("p256", token="other"))
    assert "the token says: pin incorrect" in refused(hsm.uri("p256"), wrong)
    assert "the PKCS #11 module cannot be loaded" in refused("pkcs11:object=x?module-path=/missing.so")
    assert "the password cannot be read" in refused(hsm.uri("p256"), tmp_path / "missing")


def test_another_key_than_the_certificates(hsm: Hsm, tmp_path: Path) -> None:
    plan = Plan(key=hsm.source("p256").in_token())
    authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=NOW, plan=plan)
    with pytest.raises(KeyFileError, match=r"intermediate\.crt: the key that ca\.key names is not that"):
        authority.load(tmp_path / "pki", now=NOW, source=hsm.source("p384"))


def test_a_token_that_does_not_answer_ends_in_one_line(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkcs11, "_TIMEOUT", 0.05)
    token = pkcs11._Token(Uri.read(hsm.uri("p256")), hsm.pin)
    release = threading.Event()
    with pytest.raises(KeyFileError, match="did not answer within"):
        token.call(release.wait)
    # Nobody queues up behind it.
    with pytest.raises(IssuanceError, match="still has not answered"):
        token.sign(b"x" * 32, "ECDSA")
    release.set()
    monkeypatch.setattr(pkcs11, "_TIMEOUT", 10.0)
    token.worker.submit(lambda: None).result(10)
    assert len(token.sign(b"x" * 32, "ECDSA")) == 64


def test_a_token_that_cannot_be_opened_leaves_no_thread_behind(hsm: Hsm) -> None:
    """A running server tries again each second."""

    def threads() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one.name == "pkcs11"]

    before = threads()
    for _ in range(5):
        with pytest.raises(KeyFileError):
            open_key(hsm.uri("none"), hsm.pin)
    gc.collect()
    for one in set(threads()) - set(before):
        one.join(10)
    assert set(threads()) <= set(before)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:/x", "begins with pkcs11:"),
        ("pkcs11:token=x", "names no key"),
        ("pkcs11:object=x?pin-value=1234", "has the PIN in it"),
        ("pkcs11:object=x;object=y", "says 'object' twice"),
        ("pkcs11:object=x;what=y", "has 'what'"),
    ],
)
def test_a_uri_that_is_refused_never_shows_a_pin(uri: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Uri.read(uri)
    assert "1234" not in str(caught.value)


def test_a_uri_is_decoded() -> None:
    read = Uri.read("pkcs11:token=My%20token;id=%01%ab;object=k?module-path=/a/b.so&pin-source=file:/p")
    assert read == {
        "token": "My token",
        "id": "01ab",
        "object": "k",
        "module-path": "/a/b.so",
        "pin-source": "file:/p",
    }


@given(st.text())
def test_any_text_is_a_uri_or_refused(text: str) -> None:
    for uri in (text, f"pkcs11:{text}", f"pkcs11:object=x;{text}"):
        try:
            assert {"object", "id"} & set(Uri.read(uri))
        except ConfigError:
            continue
