from __future__ import annotations

import os
import shutil
import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.pki.conftest import Ca
from zonemint.core.errors import ConfigError, KeyFileError
from zonemint.core.networks import PRIVATE_NETWORKS
from zonemint.pki import authority, constraints, issue, keys
from zonemint.pki.serials import new_serial

FILES = ["intermediate.crt", "intermediate.key", "root.crt", "root.key"]


@pytest.fixture
def folder(ca: Ca, tmp_path: Path) -> Path:
    """A copy of the authority to break."""
    return Path(shutil.copytree(ca.folder, tmp_path / "pki"))


@pytest.fixture
def other(ca: Ca, tmp_path: Path) -> Path:
    """The folder of an authority that is a stranger to `ca`."""
    authority.create(tmp_path / "other", name="Other", domains=["lab.test"], now=ca.now)
    return tmp_path / "other"


def test_what_is_made_is_private_and_read_back(tmp_path: Path, ca: Ca) -> None:
    folder = tmp_path / "data" / "pki"
    made = authority.create(folder, name="Lab", domains=["lab.test"], now=ca.now)
    read = authority.load(folder, now=ca.now)
    assert (read.root, read.intermediate) == (made.root, made.intermediate)
    assert read.current.signer.public_key == made.current.signer.public_key
    assert sorted(os.listdir(folder)) == FILES
    assert os.listdir(folder.parent) == ["pki"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE((folder / file).stat().st_mode) == 0o600 for file in FILES if file.endswith(".key"))


def test_the_certificates_of_the_authority(ca: Ca) -> None:
    made = ca.authority
    assert made.root.subject.rfc4514_string() == made.root.issuer.rfc4514_string() == "CN=Lab Root CA"
    assert made.intermediate.subject.rfc4514_string() == "CN=Lab Intermediate CA"
    assert made.intermediate.issuer == made.root.subject
    for certificate, length, years in ((made.root, 2, 10), (made.intermediate, 0, 5)):
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert basic.critical
        assert usage.critical
        assert (basic.value.ca, basic.value.path_length) == (True, length)
        assert usage.value.key_cert_sign
        assert usage.value.crl_sign
        lived = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert round(lived.days / 365.25, 2) == years
    limits = made.intermediate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert made.current.domains == ("lab.test", "example.internal", "localhost")
    permitted = limits.value.permitted_subtrees or []
    networks = [tree.value for tree in permitted if isinstance(tree, x509.IPAddress)]
    assert networks == list(PRIVATE_NETWORKS)
    assert all(network.is_private or str(network) == "100.64.0.0/10" for network in networks)


def test_what_clients_are_given(ca: Ca) -> None:
    made = ca.authority
    assert x509.load_pem_x509_certificates(made.current.chain_pem()) == [made.intermediate]
    assert x509.load_pem_x509_certificates(made.roots_pem) == [made.root]
    assert made.roots_pem == (ca.folder / "root.crt").read_bytes()
    assert len(made.fingerprint) == 64
    assert made.fingerprint == made.fingerprint.lower()
    assert made.current.not_after == made.intermediate.not_valid_after_utc.timestamp()


def test_a_root_without_constraints_permits_no_domain_by_name(ca: Ca) -> None:
    assert constraints.permitted_domains(ca.authority.root) == ()


def test_an_empty_folder_is_filled(tmp_path: Path, ca: Ca) -> None:
    (tmp_path / "pki").mkdir(mode=0o755)
    authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=ca.now)
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    assert authority.load(tmp_path / "pki", now=ca.now).current.domains == ("lab.test", "localhost")


def test_a_link_to_an_empty_folder_is_followed(tmp_path: Path, ca: Ca) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pki").symlink_to(tmp_path / "elsewhere")
    authority.create(tmp_path / "pki", name="Lab", domains=["lab.test"], now=ca.now)
    assert (tmp_path / "pki").is_symlink()
    assert sorted(os.listdir(tmp_path / "elsewhere")) == FILES


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (FILES, "a CA is there already and is not replaced"),
        (["root.key"], r"half a CA is there \(root.crt, intermediate.crt, intermediate.key missing\)"),
        (["root.crt", "root.key", "intermediate.crt"], r"half a CA is there \(intermediate.key missing\)"),
    ],
)
def test_what_is_there_is_never_replaced(folder: Path, ca: Ca, kept: list[str], said: str) -> None:
    for file in set(FILES) - set(kept):
        (folder / file).unlink()
    before = {file: (folder / file).read_bytes() for file in kept}
    with pytest.raises(KeyFileError, match=said):
        authority.create(folder, name="Lab", domains=["lab.test"], now=ca.now)
    assert {file: (folder / file).read_bytes() for file in os.listdir(folder)} == before
    assert os.listdir(folder.parent) == ["pki"]


def test_other_files_are_left_alone(tmp_path: Path, ca: Ca) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(KeyFileError, match="cannot be made: Directory not empty"):
        authority.create(tmp_path, name="Lab", domains=["lab.test"], now=ca.now)
    with pytest.raises(KeyFileError, match="Not a directory"):
        authority.create(tmp_path / "notes", name="Lab", domains=["lab.test"], now=ca.now)
    assert os.listdir(tmp_path) == ["notes"]


@pytest.mark.parametrize("name", ["", "x" * 49])
def test_a_name_must_fit_into_a_common_name(tmp_path: Path, ca: Ca, name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 48 characters"):
        authority.create(tmp_path / "pki", name=name, domains=["lab.test"], now=ca.now)
    authority.create(tmp_path / "pki", name="x" * 48, domains=["lab.test"], now=ca.now)


def replace_intermediate_by_leaf(folder: Path, ca: Ca) -> None:
    key = keys.load_key(folder / "intermediate.key").public_key()
    leaf = issue.prepare(ca.template, names=["a.lab.test"], ips=[], public_key=key, serial=new_serial(), now=ca.now)
    (folder / "intermediate.crt").write_bytes(issue.pem(issue.sign(leaf).der))


def replace_root_by_intermediate(folder: Path, ca: Ca) -> None:
    (folder / "root.crt").write_bytes(ca.authority.current.chain_pem())


def make_folder(folder: Path, _ca: Ca) -> None:
    (folder / "root.crt").unlink()
    (folder / "root.crt").mkdir()


def append_root(folder: Path, ca: Ca) -> None:
    (folder / "root.crt").write_bytes(2 * ca.authority.roots_pem)


def append_itself(folder: Path, ca: Ca) -> None:
    (folder / "intermediate.crt").write_bytes(2 * ca.authority.current.chain_pem())


FAULTS: dict[str, tuple[Callable[[Path, Ca], object], str, str]] = {
    "no root certificate": (lambda f, _: (f / "root.crt").unlink(), "root.crt", "the certificate is missing"),
    "no intermediate": (
        lambda f, _: (f / "intermediate.crt").unlink(),
        "intermediate.crt",
        "the certificate is missing",
    ),
    "no key": (lambda f, _: (f / "intermediate.key").unlink(), "intermediate.key", "the key is missing"),
    "empty": (lambda f, _: (f / "root.crt").write_bytes(b""), "root.crt", "not a certificate in PEM"),
    "not PEM": (lambda f, _: (f / "root.crt").write_bytes(b"\xff"), "root.crt", "not a certificate in PEM"),
    "two": (append_root, "root.crt", "one certificate belongs here, and there are 2"),
    "no chain": (append_itself, "intermediate.crt", "are not a chain: after each one comes the one that issued it"),
    "a leaf": (replace_intermediate_by_leaf, "intermediate.crt", "not a CA's"),
    "no root": (replace_root_by_intermediate, "root.crt", "not self-signed"),
    "open key": (lambda f, _: (f / "intermediate.key").chmod(0o644), "intermediate.key", "others may read"),
    "open root key": (lambda f, _: (f / "root.key").chmod(0o640), "root.key", "others may read"),
    "swapped keys": (
        lambda f, _: shutil.copy(f / "root.key", f / "intermediate.key"),
        "intermediate.key",
        "not that of intermediate.crt",
    ),
    "wrong root key": (
        lambda f, _: shutil.copy(f / "intermediate.key", f / "root.key"),
        "root.key",
        "not that of root.crt",
    ),
    "a folder": (make_folder, "root.crt", "Is a directory"),
}


@pytest.mark.parametrize(("damage", "file", "said"), FAULTS.values(), ids=FAULTS)
def test_every_broken_folder_is_one_line(
    folder: Path, ca: Ca, damage: Callable[[Path, Ca], object], file: str, said: str
) -> None:
    damage(folder, ca)
    with pytest.raises(KeyFileError) as caught:
        authority.load(folder, now=ca.now)
    assert str(caught.value).startswith(f"{folder / file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["root.crt", "intermediate.crt"])
def test_certificates_of_another_authority_are_refused(folder: Path, other: Path, ca: Ca, file: str) -> None:
    shutil.copy(other / file, folder / file)
    with pytest.raises(KeyFileError, match=r"intermediate\.crt: this certificate was not issued by the root beside it"):
        authority.load(folder, now=ca.now)


def test_a_root_of_the_same_name_is_not_the_root(folder: Path, tmp_path: Path, ca: Ca) -> None:
    authority.create(tmp_path / "twin", name="Lab", domains=["lab.test"], now=ca.now)
    shutil.copy(tmp_path / "twin" / "root.crt", folder / "root.crt")
    with pytest.raises(KeyFileError, match="not issued by the root beside it"):
        authority.load(folder, now=ca.now)


def test_no_folder_and_no_ca_in_it(tmp_path: Path, ca: Ca) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(KeyFileError, match="no CA in this folder: make one with `zonemint init`"):
            authority.load(folder, now=ca.now)
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match="cannot be read: Not a directory"):
        authority.load(tmp_path / "file", now=ca.now)


def test_the_clock_must_lie_within_the_validity(folder: Path, ca: Ca) -> None:
    until = ca.authority.current.not_after
    assert authority.load(folder, now=until)
    shown = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with pytest.raises(KeyFileError, match=rf"intermediate\.crt: this certificate expired at {shown}"):
        authority.load(folder, now=until + 1)
    with pytest.raises(KeyFileError, match=r"root\.crt: this certificate is not valid before .*: is the clock right"):
        authority.load(folder, now=ca.now - 7200)


def test_the_roots_key_may_be_kept_elsewhere(folder: Path, ca: Ca) -> None:
    (folder / "root.key").unlink()
    assert authority.load(folder, now=ca.now).fingerprint == ca.authority.fingerprint


@given(st.data())
def test_any_damage_to_a_certificate_is_a_key_file_error(
    ca: Ca, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    if not folder.exists():
        shutil.copytree(ca.folder, folder)
    whole = ca.authority.intermediate.public_bytes(Encoding.DER)
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    damaged = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
    (folder / "intermediate.crt").write_text(pem(damaged))
    with pytest.raises(KeyFileError) as caught:
        authority.load(folder, now=ca.now)
    assert caught.value.file == folder / "intermediate.crt"


def pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)
