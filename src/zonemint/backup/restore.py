"""Puts a backup in place: everything is verified in a folder beside the wanted one before that is touched."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from zonemint.backup import archive
from zonemint.backup.encryption import Keys, decrypted, is_encrypted
from zonemint.backup.manifest import Manifest
from zonemint.backup.verify import check_folder
from zonemint.config import DataDir, load, with_database
from zonemint.core.clock import rfc3339
from zonemint.core.errors import BackupError, ConfigError
from zonemint.core.files import hold, put, sync
from zonemint.store import audit, crls, records
from zonemint.store.audit import Fact, Kind
from zonemint.store.database import Steps
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.transfer.copy import copy
from zonemint.store.transfer.ends import Progress
from zonemint.store.transfer.opening import snapshot, target

__all__ = ["Restored", "check", "restore"]

_AHEAD = 1_000_000  # changes of a zone since the backup, beside one a second, that its serial leaves room for
_LONGEST = 1 << 30  # seconds; with `_AHEAD` less than 2^31, and so later in the arithmetic of serials


class Restored(NamedTuple):
    """What was done: what the backup says about itself, and where the folder is that was there before."""

    about: Manifest
    aside: Path | None


def check(source: io.BufferedReader, keys: Keys, *, progress: Progress) -> Manifest:
    """Verify a backup as `restore` does, and keep nothing of it; raises BackupError, OSError."""
    with tempfile.TemporaryDirectory(prefix="zonemint-") as room:
        return _unpack(source, keys, Path(room), progress)


async def restore(
    source: io.BufferedReader,
    keys: Keys,
    folder: Path,
    *,
    database: str,
    force: bool,
    actor: str,
    now: float,
    progress: Progress,
) -> Restored:
    """Verify a backup and make a data folder of it, or change nothing.

    folder: must be empty or missing, or is moved aside with `force`; database: the URL of an empty database that gets
    the store, empty for a file in the folder; actor: who does it, for the audit log. Raises BackupError, StoreError,
    OSError.
    """
    with ExitStack() as stack:
        stack.enter_context(_claimed(folder, force=force))
        room = stack.enter_context(_room(folder))
        about = _unpack(source, keys, room, progress)
        await _adapt(DataDir(room), about, database, actor=actor, now=now)
        if database:
            file = DataDir(room).database
            async with snapshot("", file) as whole, target(database) as filled:
                await copy(whole, filled, progress)
            file.unlink()
        return Restored(about, _place(room, folder, now))


def _unpack(source: io.BufferedReader, keys: Keys, room: Path, progress: Progress) -> Manifest:
    if is_encrypted(source):
        if keys == Keys():
            raise BackupError("the backup is encrypted: give --password-file, or --identity with the file of its key")
        with decrypted(source, keys) as plain:
            about = archive.unpack(plain, room, progress)
    else:
        about = archive.unpack(source, room, progress)
    check_folder(room, about)
    return about


async def _adapt(data: DataDir, about: Manifest, database: str, *, actor: str, now: float) -> None:
    """Bring the store to our schema, and past every number that was published after the backup."""
    elapsed = min(max(0, int(now) - about.created_at), _LONGEST)

    def steps() -> Steps[None]:
        # Lists take longer than a millisecond to sign: no server has ever published as many since 1970.
        yield from crls.raise_number(int(now * 1000))
        yield from records.raise_serials(elapsed + _AHEAD)
        # The entries between are lost: whoever kept a later head finds here why.
        made = rfc3339(about.created_at)
        yield from audit.append(Fact(Kind.STORE_RESTORED, actor, about.root_sha256, {"made": made}), now=now)

    db = SqliteDatabase(data.database)
    try:
        await db.write(steps())
    finally:
        await db.close()
    if load(data.config).store.database != database:
        try:
            put(data.config, with_database(data.config.read_text(encoding="utf-8"), database).encode(), private=True)
        except ConfigError as error:
            raise BackupError(f"the settings in the backup: {error.detail}") from None


@contextmanager
def _claimed(folder: Path, *, force: bool) -> Iterator[None]:
    """Hold the folder against a server; raises BackupError when one is there, or anything that must not be replaced."""
    with ExitStack() as stack:
        try:
            stack.callback(os.close, hold(DataDir(folder).pki))
        except BlockingIOError:
            raise BackupError(f"{folder}: a server runs on this folder: stop it first") from None
        except (FileNotFoundError, NotADirectoryError):
            pass
        if folder.exists() and not folder.is_dir():
            raise BackupError(f"{folder}: this is no folder")
        if _entries(folder) and not force:
            raise BackupError(f"{folder}: the folder is not empty: choose another one, or --force moves it aside")
        yield


@contextmanager
def _room(folder: Path) -> Iterator[Path]:
    """Have a private folder on the same file system: beside the wanted one, or in it where no other can be made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    inside = folder.is_dir() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))
    room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.restore-", dir=folder if inside else folder.parent))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _place(room: Path, folder: Path, now: float) -> Path | None:
    """Put what is in the room where the folder shall be; return where the old one is."""
    DataDir(room).zones.mkdir(exist_ok=True)
    name = f"before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    old = _entries(folder)
    if room.parent != folder:
        aside = folder.with_name(f"{folder.name}.{name}") if old else None
        if aside is not None:
            folder.rename(aside)
        # Replaces an empty folder.
        room.rename(folder)
        sync(folder.parent)
        return aside
    aside = folder / name if old else None
    if aside is not None:
        aside.mkdir(mode=0o700)
        for file in old:
            file.rename(aside / file.name)
    # The keys and certificates come last: without them no server begins on what is there.
    for file in sorted(room.iterdir(), key=lambda file: file.name == "pki"):
        file.rename(folder / file.name)
    sync(folder)
    return aside


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, but for what a new file system has and what we make."""
    if not folder.is_dir():
        return []
    return [
        file for file in folder.iterdir() if file.name != "lost+found" and not file.name.startswith(f".{folder.name}.")
    ]
