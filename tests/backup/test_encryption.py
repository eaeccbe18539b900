"""Encrypted backups are files of age: its own program opens them, and nothing but the right key does."""

from __future__ import annotations

import io
import os
import subprocess
import threading
from pathlib import Path
from typing import cast

import pyrage  # type: ignore[import-untyped]
import pytest

from tests.programs import require_program
from zonemint.backup import encryption
from zonemint.backup.encryption import Keys
from zonemint.core.errors import BackupError

TEXT = os.urandom(1 << 16) * 10


def locked(keys: Keys, text: bytes = TEXT) -> bytes:
    out = io.BytesIO()
    with encryption.encrypted(out, keys) as plain:
        plain.write(text)
    return out.getvalue()


def opened(octets: bytes, keys: Keys) -> bytes:
    with encryption.decrypted(io.BytesIO(octets), keys) as plain:
        return plain.read()


@pytest.fixture(scope="module")
def pair() -> tuple[Keys, Keys]:
    """What locks, and what opens."""
    identity = pyrage.x25519.Identity.generate()
    return Keys(others=(encryption.recipient(str(identity.to_public())),)), Keys(others=(identity,))


def test_there_and_back_with_a_key(pair: tuple[Keys, Keys]) -> None:
    assert opened(locked(pair[0]), pair[1]) == TEXT


def test_there_and_back_with_a_password() -> None:
    assert opened(locked(Keys("geheim")), Keys("geheim")) == TEXT


def test_the_wrong_password_and_the_wrong_key(pair: tuple[Keys, Keys]) -> None:
    other = Keys(others=(pyrage.x25519.Identity.generate(),))
    for octets, keys in ((locked(Keys("geheim")), Keys("Geheim")), (locked(pair[0]), other)):
        with pytest.raises(BackupError, match=r"^the backup cannot be decrypted: "):
            opened(octets, keys)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9999])
def test_one_that_is_cut_off(pair: tuple[Keys, Keys], part: float) -> None:
    octets = locked(pair[0])
    with pytest.raises(BackupError, match=r"^the backup cannot be decrypted: "):
        opened(octets[: int(len(octets) * part)], pair[1])


def test_one_octet_that_changed(pair: tuple[Keys, Keys]) -> None:
    octets = bytearray(locked(pair[0]))
    octets[-1000] ^= 1
    with pytest.raises(BackupError, match=r"^the backup cannot be decrypted: "):
        opened(bytes(octets), pair[1])


class Full(io.BytesIO):
    """A disk that has room for a part."""

    def write(self, octets: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_is_what_is_told(pair: tuple[Keys, Keys]) -> None:
    def fill() -> None:
        with encryption.encrypted(Full(), pair[0]) as plain:
            for _ in range(100):
                plain.write(TEXT)

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert not [thread for thread in threading.enumerate() if thread.name == "age"]


def test_who_stops_reading_stops_the_rest(pair: tuple[Keys, Keys]) -> None:
    def stop() -> None:
        with encryption.decrypted(io.BytesIO(locked(pair[0])), pair[1]) as plain:
            plain.read(10)
            raise BackupError("enough")

    with pytest.raises(BackupError, match="enough"):
        stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "age"]


def reader(octets: bytes) -> io.BufferedReader:
    return cast(io.BufferedReader, io.BufferedReader(io.BytesIO(octets)))


def test_it_is_told_by_its_first_octets(pair: tuple[Keys, Keys]) -> None:
    source = reader(locked(pair[0]))
    assert encryption.is_encrypted(source)
    assert source.read(3) == b"age"
    assert not encryption.is_encrypted(reader(b""))


def test_a_key_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="'age1nonsense' is no recipient of age"):
        encryption.recipient("age1nonsense")
    file = tmp_path / "key"
    for text in ("", "# public key: age1\n", "AGE-SECRET-KEY-1NO\n", "\N{SNOWMAN}"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BackupError, match=rf"^{file}: "):
            encryption.read_identities(file)


@pytest.mark.interop
def test_the_program_age_opens_it_and_locks_for_us(tmp_path: Path) -> None:
    age, keygen = require_program("age"), require_program("age-keygen")
    key = tmp_path / "key"
    subprocess.run([keygen, "-o", key], check=True, capture_output=True)
    public = subprocess.run([keygen, "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    octets = locked(Keys(others=(encryption.recipient(public),)))
    assert subprocess.run([age, "-d", "-i", key], input=octets, check=True, capture_output=True).stdout == TEXT
    theirs = subprocess.run([age, "-r", public], input=TEXT, check=True, capture_output=True).stdout
    assert opened(theirs, Keys(others=encryption.read_identities(key))) == TEXT
