"""Keys for signed messages of the DNS: made and ended by commands, found by the server when a message comes."""

from __future__ import annotations

import asyncio
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence

import structlog

from zonemint.config import Config
from zonemint.core.errors import ConfigError, StoreError
from zonemint.core.hash_chain import Detail
from zonemint.core.tasks import end, heard
from zonemint.dns import codes, tsig, wire
from zonemint.dns.rights import NamePattern, Rights
from zonemint.store import audit, tsig_keys
from zonemint.store.database import Steps
from zonemint.store.opening import Store
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.tsig_keys import TsigKey

__all__ = ["KeyRing", "create", "new", "revoke"]

_log = structlog.get_logger()

_MD5 = "hmac-md5"
_SHORTEST = 16  # octets of a secret (RFC 8945 section 8 wants half of the MAC at least)
_LOOK = 5.0  # seconds between looks at the keys, should nobody tell


def new(
    name: str,
    algorithm: str,
    config: Config,
    *,
    names: Sequence[str],
    types: Sequence[str],
    zones: Sequence[str],
    transfers: bool,
    by: str,
    now: float,
    secret: bytes | None = None,
) -> TsigKey:
    """Return a key, not yet stored, with a fresh secret or with one in base64 that others made.

    Raises ConfigError, BadName.
    """
    if algorithm not in tsig.ALGORITHMS:
        raise ConfigError(f"'{algorithm}' is no algorithm; there is {', '.join(tsig.ALGORITHMS)}")
    if algorithm == _MD5 and not config.dns.tsig_md5:
        raise ConfigError("hmac-md5 is too weak to be used by default; `dns.tsig_md5` in the settings allows it")
    if name in ("", "."):
        raise ConfigError("a key has a name, which is a domain name")
    for pattern in names:
        NamePattern.read(pattern)
    _, hash_, _ = tsig.ALGORITHMS[algorithm]
    size = 64 if hash_ in ("sha384", "sha512") else 32
    return TsigKey(
        wire.name_to_text(wire.name_from_text(name)),
        algorithm,
        b64encode(os.urandom(size) if secret is None else _decoded(secret)).decode(),
        tuple(dict.fromkeys(pattern.lower().removesuffix(".") for pattern in names)),
        tuple(dict.fromkeys(codes.type_to_text(_type(one)) for one in types)),
        tuple(dict.fromkeys(zones)),
        transfers,
        int(now),
        by,
    )


def _decoded(secret: bytes) -> bytes:
    try:
        octets = b64decode(secret, validate=True)
    except ValueError:
        raise ConfigError("the secret is not in base64, as other servers write it") from None
    if len(octets) < _SHORTEST:
        raise ConfigError(f"the secret has {len(octets)} octets; fewer than {_SHORTEST} can be guessed")
    return octets


def _type(text: str) -> int:
    try:
        return codes.type_from_text(text.upper())
    except ValueError as error:
        raise ConfigError(str(error)) from None


def create(key: TsigKey, *, actor: str, now: float) -> Steps[None]:
    """Store a key; raises ConfigError when there is one of its name."""
    if not (yield from tsig_keys.insert(key)):
        raise ConfigError(f"there is a key '{key.name}' already; `zonemint tsig revoke {key.name}` ends it")
    told: Detail = {
        "algorithm": key.algorithm,
        "names": key.names,
        "types": key.types,
        "zones": key.zones,
        "transfers": int(key.transfers),
    }
    yield from audit.append(audit.Fact(audit.Kind.TSIG_KEY_CREATED, actor, key.name, told), now=now)


def revoke(name: str, *, actor: str, now: float) -> Steps[None]:
    """End a key; one that was ended before stays so. Raises ConfigError when there is none."""
    if (yield from tsig_keys.revoke(name, now=int(now))):
        yield from audit.append(audit.Fact(audit.Kind.TSIG_KEY_REVOKED, actor, name, {}), now=now)
    elif (yield from tsig_keys.by_name(name)) is None:
        raise ConfigError(f"there is no key '{name}'; `zonemint tsig list` shows them")


class KeyRing:
    """The keys of the store: SQLite is asked at each message, PostgreSQL whenever it tells of a change."""

    def __init__(self, db: Store, *, md5: bool = False) -> None:
        self._db = db
        self._md5 = md5
        self._known: dict[bytes, tsig.Key] = {}
        self._unread: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to know the keys; raises StoreError."""
        if not isinstance(self._db, SqliteDatabase):
            await self._load(self._db)
            self._db.on_change(self._tell)
            self._task = asyncio.create_task(self._follow(self._db))

    async def close(self) -> None:
        """Follow the store no more."""
        if self._task is not None:
            await end([self._task])

    def __call__(self, name: bytes) -> tsig.Key | None:
        """Return the key of a name in lower-case wire form, None where none holds; raises StoreError."""
        if not isinstance(self._db, SqliteDatabase):
            return self._known.get(name)
        row = self._db.read_now(tsig_keys.by_name(wire.name_to_text(name)))
        return None if row is None else self._key(row)

    def _tell(self, table: str) -> None:
        if table in ("", "tsig_keys"):
            self._changed.set()

    async def _follow(self, db: Store) -> None:
        while True:
            await heard(self._changed, _LOOK)
            try:
                await self._load(db)
            except StoreError:
                continue
            except Exception:
                # A key that was revoked must not stay good since nobody looks any more.
                _log.exception("the keys cannot be read, and stay as they were")

    async def _load(self, db: Store) -> None:
        rows = await db.read(tsig_keys.listing())
        known: dict[bytes, tsig.Key] = {}
        unread = set()
        for row in rows:
            try:
                key = self._key(row)
            except Exception:
                unread.add(row.name)
                if row.name not in self._unread:
                    _log.exception("a key cannot be read, and is none", key=row.name)
            else:
                if key is not None:
                    known[key.name] = key
        self._known, self._unread = known, unread

    def _key(self, row: TsigKey) -> tsig.Key | None:
        if row.revoked_at is not None or (row.algorithm == _MD5 and not self._md5):
            return None
        rights = Rights(
            tuple(map(NamePattern.read, row.names)),
            frozenset(map(codes.type_from_text, row.types)),
            frozenset(map(wire.name_from_text, row.zones)),
            row.transfers,
        )
        return tsig.Key(wire.name_from_text(row.name), row.algorithm, b64decode(row.secret), rights)
