"""What changes in the folder of an authority while servers run on it: each step leaves a folder that can be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.core.errors import KeyFileError
from zonemint.core.files import put, sync
from zonemint.pki import ca_certificate
from zonemint.pki.issuer import key_id_of, pem_of

__all__ = ["add", "drop", "install", "keep", "root_key_file", "settle", "stamp"]


def add(directory: Path, certificate: x509.Certificate, key: bytes | None = None) -> None:
    """Keep a root that clients should trust, too, or a certificate by which one CA vouches for another's key.

    `key` is the content of the file of a root's key, which is there before its certificate is.
    Raises KeyFileError when the folder cannot be written.
    """
    file = _place_of(directory, certificate)
    if not file.exists():
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
            if key is not None:
                put(file.with_suffix(".key"), key, private=True)
            put(file, pem_of((certificate,)))
            sync(file.parent)
        except OSError as error:
            raise KeyFileError(f"the certificate cannot be written: {error.strerror}", file=file) from None


def keep(directory: Path, chain: Sequence[x509.Certificate]) -> None:
    """Keep an issuer of before, with all up to a root, whose key is elsewhere; raises KeyFileError."""
    file = directory / "issuers" / f"{key_id_of(chain[0])}.crt"
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        put(file, pem_of(chain[:-1]))
        sync(file.parent)
    except OSError as error:
        raise KeyFileError(f"the certificate cannot be written: {error.strerror}", file=file) from None


def install(directory: Path, chain: Sequence[x509.Certificate], key: bytes | None) -> None:
    """Let an issuer sign from now on: `chain` is its certificate with all up to a root, `key` the content of its file.

    The issuer that did goes on for what it signed, with its key, and so does its root. An issuer whose certificate was
    made anew for the same key takes the old one's place; `key` is then None, as it is where the key is elsewhere.
    Raises KeyFileError when the folder cannot be written; what was begun is then ended by the same call.
    """
    new, root = chain[0], chain[-1]
    old_root = ca_certificate.read(directory / "root.crt")[0]
    old = ca_certificate.read(directory / "intermediate.crt")
    before, waiting = (directory / "issuers" / key_id_of(one) for one in (old[0], new))
    try:
        waiting.parent.mkdir(mode=0o700, exist_ok=True)
        if before != waiting:
            _copy(directory / "intermediate.key", before.with_suffix(".key"))
            put(before.with_suffix(".crt"), pem_of(old))
        if key is not None:
            put(waiting.with_suffix(".key"), key, private=True)
        sync(waiting.parent)
        for one in {old_root, root} if old_root != root else ():
            add(directory, one)
        # From here on the new one signs, with the key that waits beside the old ones.
        put(directory / "intermediate.crt", pem_of(chain[:-1]))
        if old_root != root:
            _move(directory / "root.key", _place_of(directory, old_root).with_suffix(".key"))
            put(directory / "root.crt", pem_of((root,)))
        if before != waiting:
            (directory / "intermediate.key").unlink(missing_ok=True)
        if key is not None:
            waiting.with_suffix(".key").replace(directory / "intermediate.key")
        waiting.with_suffix(".crt").unlink(missing_ok=True)
        sync(directory)
    except OSError as error:
        raise KeyFileError(f"the issuer cannot be installed: {error.strerror}", file=directory) from None


def settle(directory: Path) -> None:
    """End an installation that was cut off: either its key moves to where it belongs, or nothing is left of it.

    A key that waits for the certificate of its request stays. Raises KeyFileError when the folder cannot be written.
    """
    issuers = directory / "issuers"
    current = issuers / key_id_of(ca_certificate.read(directory / "intermediate.crt")[0])
    try:
        if (waiting := current.with_suffix(".key")).exists():
            waiting.replace(directory / "intermediate.key")
            waiting.unlink(missing_ok=True)  # a second name of the same file is not replaced
        current.with_suffix(".crt").unlink(missing_ok=True)
        for key in issuers.glob("*.key"):
            if not key.with_suffix(".crt").exists() and not key.with_suffix(".csr").exists():
                key.unlink()
    except OSError as error:
        raise KeyFileError(f"the installation of an issuer cannot be ended: {error.strerror}", file=issuers) from None


def drop(directory: Path, root: x509.Certificate, chain: Sequence[x509.Certificate]) -> None:
    """Let clients trust a root no more: `chain` leads from the issuer that signs to the one that they keep.

    The dropped root's key stays in `roots/`, to be taken away. Raises KeyFileError when the folder cannot be written;
    what was begun is then ended by the same call.
    """
    kept, dropped = (_place_of(directory, one) for one in (chain[-1], root))
    install(directory, chain, None)
    try:
        if not (directory / "root.key").exists():
            _move(kept.with_suffix(".key"), directory / "root.key")
        for file in (kept, dropped):
            file.unlink(missing_ok=True)
        sync(directory)
    except OSError as error:
        raise KeyFileError(f"the root cannot be dropped: {error.strerror}", file=dropped) from None


def root_key_file(directory: Path, root: x509.Certificate) -> Path:
    """Return where a root's key is, if it is here."""
    beside = _place_of(directory, root).with_suffix(".key")
    return beside if beside.exists() else directory / "root.key"


def stamp(directory: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return what changes whenever one of the files does that `authority.load` reads; raises nothing.

    It costs a look at each file and reads none.
    """
    found = []
    for folder in (directory, directory / "issuers", directory / "roots"):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith((".crt", ".key")) and not entry.name.startswith(("server.", ".")):
                        status = entry.stat()
                        found.append((entry.path, status.st_mtime_ns, status.st_ino, status.st_size))
        except OSError:
            continue
    return tuple(sorted(found))


def _place_of(directory: Path, certificate: x509.Certificate) -> Path:
    return directory / "roots" / f"{certificate.fingerprint(SHA256()).hex()}.crt"


def _move(source: Path, target: Path) -> None:
    if source.exists():
        source.replace(target)


def _copy(source: Path, target: Path) -> None:
    """Give a key a second name, as it is replaced and never written to; there may be none."""
    if source.exists():
        target.unlink(missing_ok=True)
        os.link(source, target)
