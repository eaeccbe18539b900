"""The change of an intermediate or a root as one transaction: of several who begin one at once, one wins.

The folder is written inside of it, each step of which leaves an authority that works; the lock of the store keeps out
other commands on this folder and, where a database is shared, other nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.app.authority_keeper import exchange
from zonemint.config import Config, DataDir
from zonemint.core.clock import Clock, rfc3339
from zonemint.core.errors import ConfigError
from zonemint.core.hash_chain import Detail
from zonemint.pki import authority as authority_
from zonemint.pki import folder, rotation
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import pem_of
from zonemint.pki.key_source import KeySource, key_source
from zonemint.pki.rotation import Prepared, Turn
from zonemint.store import audit, authorities, certificates
from zonemint.store.audit import Fact, Kind
from zonemint.store.authorities import StoredAuthority
from zonemint.store.database import Database, Steps
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["Rotation"]


@dataclass(frozen=True, slots=True)
class Rotation:
    """Changes the authority of a data folder; `actor` is who does, for the audit log."""

    data: DataDir
    config: Config
    db: Database
    clock: Clock
    actor: str

    @property
    def _pki(self) -> Path:
        return self.data.pki

    @property
    def _source(self) -> KeySource:
        return key_source(self.config, self.data.path)

    def turn(self, kind: str = "") -> Turn:
        """Return what the settings say of a new intermediate."""
        return Turn(self.config.name, self.config.domains, kind)

    async def settled(self) -> Authority:
        """Return the authority, after an installation that was cut off is ended; raises ConfigError, StoreError."""

        def steps() -> Steps[Authority]:
            yield authorities.lock()
            folder.settle(self._pki)
            return self._load()

        self._load()
        return await self.db.write(steps())

    async def intermediate(self, found: Authority, *, kind: str = "") -> Authority:
        """Let a new intermediate sign; raises ConfigError without its root's key, or when another one signs already."""
        made = rotation.prepare(self._pki, found, self._source, self.turn(kind), now=self.clock())
        return await self.db.write(self._placed(found, made, Kind.INTERMEDIATE_ROTATED, made.chain[0]))

    async def root(self, found: Authority, *, kind: str = "") -> Authority:
        """Put a new root beside the one in use, and a new intermediate under it; raises ConfigError."""
        made = rotation.prepare_root(self._pki, found, self._source, self.turn(kind), now=self.clock())
        if made.root is None:
            return await self.db.write(self._placed(found, made, Kind.INTERMEDIATE_ROTATED, made.chain[0]))
        return await self.db.write(self._placed(found, made, Kind.ROOT_ROTATED, made.root[0]))

    async def finish(self, found: Authority, *, force: bool = False) -> x509.Certificate:
        """Have clients trust the old root no more, and return it.

        Raises ConfigError while certificates are valid that the new root knows through the old one only, unless
        `force`, and when no change of root is under way.
        """
        now = int(self.clock())
        change = rotation.change(self._pki, found)
        if change is None:
            raise ConfigError("no change of root is under way: `zonemint ca rotate-root` begins one", file=self._pki)
        if not change.done and not rotation.is_under(found.current, change.new, change.old):
            raise ConfigError("the new root has no intermediate yet: run `zonemint ca rotate-root` again")
        for issuer in found.issuers:
            living, last = await self.db.read(certificates.living(issuer.key_id, now=now))
            if living and not force and not rotation.is_under(issuer, change.new, change.old):
                raise ConfigError(
                    f"{living} certificates of the old root's intermediate are valid, the last one until "
                    f"{rfc3339(last)}: their clients are asked to renew them; wait, or drop the root now with --force"
                )

        old, new = (one.fingerprint(SHA256()).hex() for one in (change.old, change.new))
        fact = Fact(Kind.ROOT_DROPPED, self.actor, old, {"root": new})

        def told() -> Steps[None]:
            """Nodes drop what the store says, and so does this one: should it be cut off, then when it looks again."""
            yield authorities.lock()
            intermediate = pem_of((found.intermediate,)).decode()
            kept = StoredAuthority(new, pem_of((change.new,)).decode(), intermediate, self.config.domains)
            yield from authorities.drop(pem_of((change.old,)).decode(), kept=kept, now=now)
            yield from audit.append(fact, now=self.clock())

        def dropped() -> Steps[None]:
            yield authorities.lock()
            own = self._load()
            if change.old in own.roots:
                rotation.drop(self._pki, own, change.old)
                if not self._is_shared:
                    yield from audit.append(fact, now=self.clock())

        if self._is_shared:
            await self.db.write(told())
        await self.db.write(dropped())
        return change.old

    def _placed(self, before: Authority, made: Prepared, kind: Kind, subject: x509.Certificate) -> Steps[Authority]:
        """Put a new issuer in place, if the one that signs is still the one that it was made to follow."""
        now = self.clock()
        yield authorities.lock()
        own = self._load()
        if self._is_shared and (yield from exchange(self._pki, own, now=int(now))):
            own = self._load()
        # A database may have us do this again, when the folder has what we put there.
        if own.current.key_id != made.key_id:
            if own.current.key_id != before.current.key_id:
                raise ConfigError("another intermediate took its place meanwhile, so this one was not put in place")
            rotation.place(self._pki, made)
            own = self._load()
        if self._is_shared:
            yield from exchange(self._pki, own, now=int(now))
        new = own.intermediate
        told: Detail = {
            "name": subject.subject.rfc4514_string(),
            "not_after": int(subject.not_valid_after_utc.timestamp()),
            "before": before.intermediate.fingerprint(SHA256()).hex(),
            "intermediate": new.fingerprint(SHA256()).hex(),
        }
        fact = Fact(kind, self.actor, subject.fingerprint(SHA256()).hex(), told)
        yield from audit.append(fact, now=now)
        return own

    @property
    def _is_shared(self) -> bool:
        return not isinstance(self.db, SqliteDatabase)

    def _load(self) -> Authority:
        return authority_.load(self._pki, now=self.clock(), needs_key=False, source=self._source)
