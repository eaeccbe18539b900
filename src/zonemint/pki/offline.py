"""The root's key on its way off the machine."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.core.errors import KeyFileError
from zonemint.core.files import sync
from zonemint.pki import ca_certificate
from zonemint.pki.brought import read_root_key
from zonemint.pki.key_source import KeySource
from zonemint.pki.keys import load_key, spki_sha256, write_key

__all__ = ["move_root_key"]


def move_root_key(pki: Path, to: Path, source: KeySource, password: bytes | None) -> str:
    """Write the root's key elsewhere, encrypted if there is a password, and remove it from the folder.

    What was written is read back and held against the certificate before anything is removed. Returns the hex SHA-256
    of the root. Raises KeyFileError, and then the key is where it was.
    """
    here = pki / "root.key"
    if to.resolve().is_relative_to(pki.resolve().parent):
        raise KeyFileError("this lies in the data folder: choose a place on another medium", file=to)
    root = ca_certificate.read(pki / "root.crt")[0]
    key = read_root_key(here, root, source)
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
