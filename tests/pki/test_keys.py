from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import require_program
from zonemint.core.errors import KeyFileError
from zonemint.pki import keys


def pem(key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def put(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("kind", "curve"), [("p256", "secp256r1"), ("p384", "secp384r1")])
def test_a_key_is_written_privately_and_read_back(tmp_path: Path, kind: keys.KeyKind, curve: str) -> None:
    key = keys.generate(kind)
    before = os.umask(0)
    try:
        keys.write_key(tmp_path / "a.key", key)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.key"]
    loaded = keys.load_key(tmp_path / "a.key")
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    assert loaded.curve.name == curve
    assert loaded.private_numbers() == key.private_numbers()


def test_a_key_that_exists_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    keys.write_key(path, keys.generate())
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match=r"a\.key: a key is there already and is not overwritten"):
        keys.write_key(path, keys.generate())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.key"]


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written: No such file or directory"):
        keys.write_key(tmp_path / "missing" / "a.key", keys.generate())


@pytest.mark.parametrize("style", ["sec1", "rsa"])
def test_keys_that_openssl_made_are_read(tmp_path: Path, style: str) -> None:
    kind = {"sec1": ["ecparam", "-genkey", "-noout", "-name", "prime256v1"], "rsa": ["genrsa", "2048"]}[style]
    made = subprocess.run([require_program("openssl"), *kind], capture_output=True, timeout=20, check=True).stdout
    key = keys.load_key(put(tmp_path / "a.key", made))
    assert isinstance(key, rsa.RSAPrivateKey if style == "rsa" else ec.EllipticCurvePrivateKey)


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: None, "the key is missing"),
    (lambda path: path.mkdir(), "the key cannot be read: Is a directory"),
    (lambda path: put(path, pem(keys.generate()), 0o640), "others may read this key (mode 0640): run `chmod 600"),
    (lambda path: put(path, pem(keys.generate()), 0o604), "others may read this key (mode 0604): run `chmod 600"),
    (lambda path: put(path, b""), "not a private key in PEM"),
    (lambda path: put(path, b"hello"), "not a private key in PEM"),
    (lambda path: put(path, pem(keys.generate())[:100]), "not a private key in PEM"),
    (lambda path: put(path, pem(keys.generate(), BestAvailableEncryption(b"secret"))), "the key is encrypted"),
    (lambda path: put(path, pem(ed448.Ed448PrivateKey.generate())), "not supported"),
    (lambda path: put(path, pem(ec.generate_private_key(ec.SECP256K1()))), "not supported"),
    (lambda path: put(path, pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))), "not supported"),
]


@pytest.mark.parametrize(("make", "said"), FAULTS)
def test_every_fault_of_a_key_file_is_one_line(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    path = tmp_path / "a.key"
    make(path)
    with pytest.raises(KeyFileError) as caught:
        keys.load_key(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.file == path


@given(st.data())
def test_damaged_keys_are_refused_or_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = pem(ec.derive_private_key(7, ec.SECP256R1()))
    start = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:start] + data.draw(st.binary(max_size=8)) + whole[start + data.draw(st.integers(0, 8)) :]
    path = put(tmp_path_factory.getbasetemp() / "damaged.key", damaged)
    # Damage outside the base64 text, or of the public half that it repeats, may leave a readable key.
    with contextlib.suppress(KeyFileError):
        assert isinstance(keys.load_key(path), ec.EllipticCurvePrivateKey)


def test_the_digest_is_openssls(tmp_path: Path) -> None:
    key = keys.generate()
    keys.write_key(tmp_path / "a.key", key)
    openssl = require_program("openssl")
    der = subprocess.run(
        [openssl, "pkey", "-in", tmp_path / "a.key", "-pubout", "-outform", "DER"],
        capture_output=True,
        timeout=20,
        check=True,
    ).stdout
    said = subprocess.run(
        [openssl, "dgst", "-sha256", "-r"], input=der, capture_output=True, timeout=20, check=True
    ).stdout
    assert said.split()[0].decode() == keys.spki_sha256(key.public_key())
