"""The container of a backup: a tar file in gzip, the manifest first and every other file as it says.

`tar tzf` reads what is written here. What is read here is foreign: plain files in the manifest's order and of its
sizes, and nothing else that a tar file can have, so that no link, device, path or length in it means anything.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from zonemint.backup import manifest
from zonemint.backup.manifest import Manifest, Member
from zonemint.core.errors import BackupError
from zonemint.core.text import shown
from zonemint.store.transfer.ends import Progress

__all__ = ["Content", "describe", "unpack", "write"]

Content: TypeAlias = bytes | Path
"""What a file has in it, or where that is."""

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 18
_LEVEL = 3  # of gzip: certificates hardly shrink, and a higher one takes twice the time for a tenth
_RECORD = tarfile.RECORDSIZE
_END = 2 * _BLOCK


def describe(name: str, content: Content) -> Member:
    """Return what the manifest says of a file."""
    if isinstance(content, bytes):
        return Member(name, len(content), hashlib.sha256(content).hexdigest())
    with content.open("rb") as file:
        return Member(name, os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())


def write(out: BinaryIO, about: Manifest, contents: Mapping[str, Content], progress: Progress) -> None:
    """Write a backup of what `about.members` name; raises OSError."""
    done = 0
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=about.created_at) as tar:
        octets = manifest.encode(about)
        tar.write(_header(manifest.NAME, len(octets), about.created_at))
        tar.write(octets + _padding(len(octets)))
        for member in about.members:
            tar.write(_header(member.name, member.size, about.created_at))
            content = contents[member.name]
            if isinstance(content, bytes):
                tar.write(content)
                done += len(content)
            else:
                with content.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        tar.write(chunk)
                        done += len(chunk)
                        progress("writing", done, about.size)
            tar.write(_padding(member.size))
        tar.write(bytes(_END))


def unpack(source: BinaryIO, folder: Path, progress: Progress) -> Manifest:
    """Write a backup's files (0600) into an empty folder, each as large and with the hash that the manifest says.

    Raises BackupError for anything that `write` would not have written, and when there is no room.
    """
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as tar:
            about = _manifest(tar)
            if about.size > (free := shutil.disk_usage(folder).free):
                raise BackupError(f"{folder}: the backup needs {about.size} octets, and {free} are free")
            done = 0
            for member in about.members:
                if (found := _next(tar)) != (member.name, member.size):
                    raise BackupError(
                        f"the backup is damaged: '{member.name}' should follow, and there is {_told(found)}"
                    )
                _unpack_one(tar, member, folder)
                done += member.size
                progress("reading", done, about.size)
            if _next(tar) is not None or _exactly(tar, _BLOCK).strip(b"\0") or tar.read(_RECORD).strip(b"\0"):
                raise BackupError("the backup is damaged: something stands after its end")
            if tar.read(1):
                raise BackupError("the backup is damaged: its end does not come")
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BackupError(f"this is no backup, or a damaged one: {error}") from None
    return about


def _manifest(tar: gzip.GzipFile) -> Manifest:
    found = _next(tar)
    if found is None or found[0] != manifest.NAME or found[1] > manifest.LONGEST:
        raise BackupError(f"this is no backup of zonemint: it begins with {_told(found)} and not with {manifest.NAME}")
    octets = _exactly(tar, found[1])
    _exactly(tar, -found[1] % _BLOCK)
    return manifest.decode(octets)


def _unpack_one(tar: gzip.GzipFile, member: Member, folder: Path) -> None:
    file = folder / member.name
    file.parent.mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    left = member.size
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
        while left:
            chunk = _exactly(tar, min(left, _CHUNK))
            digest.update(chunk)
            out.write(chunk)
            left -= len(chunk)
        out.flush()
        os.fsync(out.fileno())
    _exactly(tar, -member.size % _BLOCK)
    if digest.hexdigest() != member.sha256:
        raise BackupError(f"the backup is damaged: '{member.name}' is not what was backed up")


def _next(tar: gzip.GzipFile) -> tuple[str, int] | None:
    """Read the header of a plain file: its name and size, None at the end; raises BackupError for all else."""
    block = _exactly(tar, _BLOCK)
    if not block.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError, ValueError):
        raise BackupError("this is no backup, or a damaged one: a header in it cannot be read") from None
    if info.type != tarfile.REGTYPE or info.size < 0:
        raise BackupError(f"the backup has something that is no plain file: '{shown(info.name)}'")
    return info.name, info.size


def _exactly(tar: gzip.GzipFile, count: int) -> bytes:
    parts = []
    while count:
        part = tar.read(count)
        if not part:
            raise BackupError("the backup is cut off: its end is missing")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _header(name: str, size: int, mtime: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, mtime
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _told(found: tuple[str, int] | None) -> str:
    return "nothing" if found is None else f"'{shown(found[0])}' of {found[1]} octets"
