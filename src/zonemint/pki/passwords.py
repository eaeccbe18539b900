"""Where the password of encrypted keys, and the PIN of a token, is: in a file, wherever that is named."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from zonemint.core.errors import KeyFileError
from zonemint.core.files import exposed

__all__ = ["CREDENTIAL", "VARIABLE", "password_from", "read_secret"]

VARIABLE = "ZONEMINT_PASSWORD_FILE"
CREDENTIAL = "zonemint-password"
_LONGEST = 1024  # octets: what OpenSSL takes


def password_from(file: Path | None, environment: Mapping[str, str] = os.environ) -> Callable[[], bytes | None]:
    """Return what reads the password when it is needed: of this file, else of $ZONEMINT_PASSWORD_FILE, else systemd's.

    The credential `zonemint-password` is what `LoadCredentialEncrypted=` of a unit puts into $CREDENTIALS_DIRECTORY.
    """

    def read() -> bytes | None:
        if file is not None:
            return read_secret(file)
        if named := environment.get(VARIABLE):
            return read_secret(Path(named))
        if folder := environment.get("CREDENTIALS_DIRECTORY"):
            credential = Path(folder) / CREDENTIAL
            return read_secret(credential) if credential.exists() else None
        return None

    return read


def read_secret(file: Path) -> bytes:
    """Return the first line of a file that only its owner may read; raises KeyFileError."""
    try:
        with file.open("rb") as opened:
            if (mode := exposed(opened.fileno())) is not None:
                raise KeyFileError(f"others may read this password (mode {mode:04o}): chmod 600 it", file=file)
            secret = opened.readline(_LONGEST + 2).rstrip(b"\r\n")
    except OSError as error:
        raise KeyFileError(f"the password cannot be read: {error.strerror}", file=file) from None
    if not 0 < len(secret) <= _LONGEST:
        raise KeyFileError(f"a password of 1 to {_LONGEST} octets belongs on the first line", file=file)
    return secret
