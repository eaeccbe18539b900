"""Makes a backup: the files of the data folder, and the store as one snapshot, while the server goes on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint import __version__
from zonemint.backup import archive, manifest
from zonemint.backup.archive import Content
from zonemint.backup.manifest import Manifest
from zonemint.backup.verify import check_store
from zonemint.config import Config, DataDir, with_database
from zonemint.core.errors import BackupError, ConfigError
from zonemint.core.files import hold
from zonemint.core.text import without_password
from zonemint.store.transfer.ends import Progress
from zonemint.store.transfer.opening import export

__all__ = ["create"]

_ZONE_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PKI_FILE = re.compile(r"pki/(?:(?:issuers|roots)/)?[a-z0-9_-]{1,64}\.(?:crt|key)")


async def create(
    data: DataDir, config: Config, out: BinaryIO, *, database: str, keys: bool, now: float, progress: Progress
) -> Manifest:
    """Write a backup of a data folder and its store, and return what is in it.

    database: the URL of the store, empty when it is in the folder; keys: with all private keys and the password of
    the database, else without them. Raises BackupError, ConfigError, StoreError, OSError.
    """
    with _room(data) as room:
        # The files come first: an account is in the store before it is in a file, so the backup knows all of them.
        contents, left_out = _files(data, config, keys=keys)
        store = room / manifest.STORE
        await export(database, data.database, store, progress)
        schema = check_store(store)
        contents[manifest.STORE] = store
        about = Manifest(
            format=manifest.FORMAT,
            zonemint=__version__,
            schema=schema,
            engine="postgresql" if database else "sqlite",
            created_at=int(now),
            domains=config.domains,
            root_sha256=_fingerprint(contents.get("pki/root.crt")),
            members=tuple(archive.describe(name, content) for name, content in contents.items()),
            left_out=tuple(left_out),
        )
        archive.write(out, about, contents, progress)
        return about


def _files(data: DataDir, config: Config, *, keys: bool) -> tuple[dict[str, Content], list[str]]:
    """Read what is small, in the order of the archive; return it, and what is left out."""
    left_out = []
    settings = data.config.read_bytes()
    if config.store.database != (shown := without_password(config.store.database)) and not keys:
        try:
            settings = with_database(settings.decode(), shown).encode()
        except ConfigError as error:
            raise ConfigError(error.detail, file=data.config) from None
        left_out.append("the password in store.database")
    found: dict[str, Content] = {manifest.SETTINGS: settings}
    for file in sorted(data.zones.glob("*")):
        if file.is_file() and _ZONE_FILE.fullmatch(file.name):
            found[f"zones/{file.name}"] = file.read_bytes()
        else:
            left_out.append(f"zones/{file.name}")
    for suffix in (".crt", ".key"):
        for file in sorted(data.pki.rglob(f"*{suffix}")):
            name = file.relative_to(data.path).as_posix()
            if _PKI_FILE.fullmatch(name) and (keys or suffix == ".crt"):
                found[name] = file.read_bytes()
            else:
                left_out.append(name)
    accounts = data.path / manifest.TXT_ACCOUNTS
    if accounts.exists():
        found[manifest.TXT_ACCOUNTS] = accounts.read_bytes()
    left_out += [f"the file of {setting}" for setting, named in _named_files(config) if named]
    return found, left_out


def _named_files(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the settings that name a file of the user's: what opens a key must not lie beside it in a backup."""
    yield "ca.password_file", config.ca.password_file
    yield "ca.pin_file", config.ca.pin_file
    yield "issuance.known_keys", config.issuance.known_keys
    yield "listen.certificate", config.listen.certificate
    yield "listen.key", config.listen.key
    for name, hook in config.hooks.items():
        yield f"hooks.{name}.secret_file", hook.secret_file


@contextmanager
def _room(data: DataDir) -> Iterator[Path]:
    """Have a private folder for the copy of the store: in the data folder, for it is no less secret than that."""
    room = data.path / ".backup"
    room.mkdir(mode=0o700, exist_ok=True)
    try:
        held = hold(room)
    except BlockingIOError:
        raise BackupError(f"{data.path}: another backup is being made: wait until it is done") from None
    try:
        # What one that was killed has left.
        for file in room.iterdir():
            file.unlink()
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        os.close(held)


def _fingerprint(root: Content | None) -> str:
    if not isinstance(root, bytes):
        return ""
    try:
        return x509.load_pem_x509_certificate(root).fingerprint(SHA256()).hex()
    except ValueError:
        raise BackupError("pki/root.crt is no certificate in PEM: mend it before you back it up") from None
