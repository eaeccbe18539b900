"""The root's key on its way off the machine."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.core.errors import ConfigError, KeyFileError
from zonemint.core.files import sync
from zonemint.pki import ca_certificate
from zonemint.pki.brought import read_root_key
from zonemint.pki.key_source import KeySource
from zonemint.pki.keys import PrivateKey, load_key, read_key, spki_sha256, write_key

__all__ = ["move_root_key"]

_LONGEST = 1 << 16  # octets of a file that may be a key


def move_root_key(pki: Path, to: Path, source: KeySource, password: bytes | None) -> str:
    """Write the root's key elsewhere, encrypted if there is a password, and remove it from the folder.

    What was written is read back and held against the certificate before anything is removed. Returns the hex SHA-256
    of the root. Raises KeyFileError, and then the key is where it was: for another copy in the data folder, too.
    """
    here = pki / "root.key"
    if to.resolve().is_relative_to(pki.resolve().parent):
        raise KeyFileError("this lies in the data folder: choose a place on another medium", file=to)
    root = ca_certificate.read(pki / "root.crt")[0]
    key = read_root_key(here, root, source)
    if copies := _copies(here, key, source):
        raise KeyFileError("this is a copy of the root's key: remove it first", file=copies[0])
    write_key(to, key, password)
    kept = load_key(to, lambda: password)
    if spki_sha256(kept.public_key()) != spki_sha256(root.public_key()):
        raise KeyFileError("what was written is not what is read back: the root's key stays where it is", file=to)
    try:
        sync(to.resolve().parent)
        here.unlink()
        sync(pki)
    except OSError as error:
        raise KeyFileError(f"the key cannot be removed: {error.strerror}", file=here) from None
    if here.exists():
        raise KeyFileError("the key is still here", file=here)
    return root.fingerprint(SHA256()).hex()


def _copies(here: Path, key: PrivateKey, source: KeySource) -> list[Path]:
    """Return the other files of the data folder that have a key, as editors, `cp` and hard links leave them."""
    found = []
    for file in sorted(here.parent.parent.rglob("*")):
        try:
            if file == here or file.is_symlink() or not file.is_file() or file.stat().st_size > _LONGEST:
                continue
            content = file.read_bytes()
            if b"PRIVATE KEY-----" in content:
                same = spki_sha256(read_key(content, file, source.password).public_key())
                if same == spki_sha256(key.public_key()):
                    found.append(file)
        except (OSError, ConfigError):
            continue
    return found
