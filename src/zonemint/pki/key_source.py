"""Where an authority's keys are, and how they are opened, as the settings have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zonemint.config import Config
from zonemint.pki.keys import PrivateKey, load_key
from zonemint.pki.passwords import password_from

__all__ = ["FILES", "KeySource", "key_source"]


@dataclass(frozen=True, slots=True)
class KeySource:
    """`password` is read when a key is encrypted; `uri` names a token's key, which is used instead of a file's."""

    password: Callable[[], bytes | None]
    uri: str = ""
    pin_file: Path | None = None

    def read(self, path: Path) -> PrivateKey:
        """Read a key's file; raises KeyFileError."""
        return load_key(path, self.password)

    def in_token(self) -> PrivateKey | None:
        """Return the key of the issuer that signs, if a token holds it; raises KeyFileError."""
        if not self.uri:
            return None
        from zonemint.pki.pkcs11 import open_key

        return open_key(self.uri, self.pin_file)


FILES = KeySource(password_from(None))
"""Keys in files; the environment may name the password."""


def key_source(config: Config, folder: Path) -> KeySource:
    """Return what the settings of a data folder say; relative paths in them begin there."""
    ca = config.ca
    return KeySource(
        password_from(folder / ca.password_file if ca.password_file else None),
        ca.key,
        folder / ca.pin_file if ca.pin_file else None,
    )
