"""Whether what came out of a backup is what a server can work with: nothing in it is believed."""

from __future__ import annotations

import json
import sqlite3
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.backup import manifest
from zonemint.backup.manifest import Manifest
from zonemint.config import DataDir, load
from zonemint.core.errors import BackupError, ConfigError, EncryptedKey, StoreError
from zonemint.pki.chains import is_issued_by
from zonemint.pki.keys import load_key, spki_sha256
from zonemint.store import migrations
from zonemint.store.tables import objects, objects_in
from zonemint.store.transfer.sqlite import damages, opened

__all__ = ["check_folder", "check_store"]


def check_folder(folder: Path, about: Manifest) -> None:
    """Check the files of an unpacked backup against each other and its manifest; raises BackupError."""
    data = DataDir(folder)
    try:
        config = load(data.config)
    except ConfigError as error:
        line = "" if error.line is None else f", line {error.line}"
        raise BackupError(f"the settings in the backup are wrong{line}: {error.detail}") from None
    if config.domains != about.domains:
        raise BackupError(f"the backup says that it is for {', '.join(about.domains)}, and its settings differ")
    _check_pki(data.pki, about)
    accounts = folder / manifest.TXT_ACCOUNTS
    if accounts.exists():
        try:
            json.loads(accounts.read_bytes())
        except (ValueError, RecursionError):
            raise BackupError(f"{manifest.TXT_ACCOUNTS} in the backup is no JSON") from None
    if (schema := check_store(data.database)) != about.schema:
        raise BackupError(f"the backup says that its store has schema {about.schema}, and it has {schema}")


def check_store(file: Path) -> int:
    """Check a copy of a store, page by page, and return its schema's number.

    Raises BackupError when it is damaged, has a newer schema, or anything in its schema that is not ours.
    """
    try:
        with opened(file) as db:
            schema = _schema(db)
            found = damages(db)
    except StoreError as error:
        detail = str(error).removeprefix(f"{file}: ")
        raise BackupError(f"the copy of the store cannot be read: {detail}; see `zonemint db check`") from None
    if found:
        raise BackupError(f"the copy of the store is damaged: {found[0]}; see `zonemint db check`")
    return schema


def _schema(db: sqlite3.Connection) -> int:
    """Return the schema's number when the file has that schema and no more: a trigger of somebody else's would run."""
    newest = migrations.newest()
    there = objects_in(db)
    if not {one for one in objects(newest) if one[1] == "schema_versions"} <= there:
        raise BackupError("the copy of the store is no store of zonemint")
    (schema,) = db.execute("SELECT max(version) FROM schema_versions").fetchone()
    if not isinstance(schema, int) or schema < 1:
        raise BackupError("the copy of the store is no store of zonemint")
    if schema > newest:
        raise BackupError(f"the store has schema {schema} and this release knows up to {newest}: use a newer zonemint")
    if foreign := sorted(name for _, name, _ in there ^ objects(schema)):
        raise BackupError(
            f"the copy of the store has not the schema {schema} that it says: '{foreign[0]}' is not right"
        )
    return schema


def _check_pki(folder: Path, about: Manifest) -> None:
    """Check that the certificates belong together and that each key is that of the certificate beside it."""
    found: dict[Path, list[x509.Certificate]] = {}
    for file in sorted(folder.rglob("*.crt")):
        try:
            found[file] = x509.load_pem_x509_certificates(file.read_bytes())
        except ValueError:
            raise BackupError(f"{_named(folder, file)} in the backup is no certificate in PEM") from None
    (root,) = found.get(folder / "root.crt", [None])[:1]
    chain = found.get(folder / "intermediate.crt", [])
    if about.root_sha256 != ("" if root is None else root.fingerprint(SHA256()).hex()):
        raise BackupError("pki/root.crt in the backup is not the root that its manifest names")
    if root is not None and not all(is_issued_by(*pair) for pair in pairwise([*chain, root])):
        raise BackupError("pki/intermediate.crt in the backup was not issued by the root beside it")
    for file in sorted(folder.rglob("*.key")):
        try:
            key = load_key(file)
        except EncryptedKey:
            continue  # its password is no part of a backup
        except ConfigError as error:
            raise BackupError(f"{_named(folder, file)} in the backup: {error.detail}") from None
        # The server's own pair is made anew when it does not fit.
        beside = [] if file.name == "server.key" else found.get(file.with_suffix(".crt"), [])
        if beside and spki_sha256(key.public_key()) != spki_sha256(beside[0].public_key()):
            raise BackupError(f"{_named(folder, file)} in the backup is not the key of the certificate beside it")


def _named(folder: Path, file: Path) -> str:
    return file.relative_to(folder.parent).as_posix()
