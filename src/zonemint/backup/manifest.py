"""What a backup says about itself, and what it may have in it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.core.errors import BackupError
from zonemint.core.text import shown

__all__ = ["FORMAT", "LONGEST", "NAME", "SETTINGS", "STORE", "TXT_ACCOUNTS", "Manifest", "Member", "decode", "encode"]

FORMAT = 1
NAME = "manifest.json"
LONGEST = 1 << 20
"""Octets of a manifest."""

SETTINGS, TXT_ACCOUNTS, STORE = "zonemint.toml", "acmedns.json", "zonemint.db"
_SMALL = 64 << 20  # octets of any file but the store
_ALLOWED = re.compile(
    r"zonemint\.toml|acmedns\.json|zonemint\.db|zones/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}|"
    r"pki/(?:(?:issuers|roots)/)?[a-z0-9_-]{1,64}\.(?:crt|key)"
)

_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the backup: its name below the data folder, its size in octets, its SHA-256 in lower hex."""

    name: str
    size: Annotated[int, Meta(ge=0, lt=1 << 50)]
    sha256: _Hash


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first file of a backup; `members` are the others, in their order.

    created_at: seconds since 1970; schema: of the store; root_sha256: of the root's DER, empty where there was no
    root; left_out: what the data folder has and the backup has not, a few words each.
    """

    format: int
    zonemint: str
    schema: Annotated[int, Meta(ge=1)]
    engine: str
    created_at: Annotated[int, Meta(ge=0, lt=1 << 40)]
    domains: tuple[str, ...]
    root_sha256: Annotated[str, Meta(pattern="^(?:[0-9a-f]{64})?$")]
    members: Annotated[tuple[Member, ...], Meta(max_length=4096)]
    left_out: tuple[str, ...]

    @property
    def has_keys(self) -> bool:
        """Tell whether there are private keys in it."""
        return any(member.name.endswith(".key") for member in self.members)

    @property
    def size(self) -> int:
        """Return how many octets its files have."""
        return sum(member.size for member in self.members)


class _Format(msgspec.Struct, frozen=True):
    format: int


def encode(manifest: Manifest) -> bytes:
    """Write a manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode(octets: bytes) -> Manifest:
    """Read a manifest and check that its files have places in a data folder; raises BackupError."""
    try:
        if (found := msgspec.json.decode(octets, type=_Format).format) != FORMAT:
            raise BackupError(
                f"the backup has the format {found} and this release reads {FORMAT}: use a newer zonemint"
            )
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BackupError(f"this is no backup, or a damaged one: its manifest cannot be read: {error}") from None
    names = [member.name for member in manifest.members]
    for member in manifest.members:
        if not _ALLOWED.fullmatch(member.name):
            raise BackupError(f"the backup has a file that has no place in a data folder: '{shown(member.name)}'")
        if member.name != STORE and member.size > _SMALL:
            raise BackupError(
                f"the backup has a file that is too large to be right: '{member.name}', {member.size} octets"
            )
    # On some file systems two spellings are one file.
    if any(one == two for one, two in pairwise(sorted(map(str.lower, names)))):
        raise BackupError("the backup has a file twice")
    if missing := {SETTINGS, STORE} - set(names):
        raise BackupError(f"the backup has no {' and no '.join(sorted(missing))}")
    return manifest
