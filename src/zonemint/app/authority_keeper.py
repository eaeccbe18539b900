"""The authority as folder and store have it: a running server takes up what was changed, without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import structlog
from cryptography import x509

from zonemint.app.audit_log import record_authority
from zonemint.core.clock import Clock
from zonemint.core.errors import ConfigError, StoreError
from zonemint.pki import authority as authority_
from zonemint.pki import folder, rotation
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer, pem_of
from zonemint.pki.key_source import FILES, KeySource
from zonemint.store import authorities
from zonemint.store.authorities import LaterCertificate
from zonemint.store.database import Database, Steps

__all__ = ["AuthorityKeeper", "exchange"]

_log = structlog.get_logger()


class AuthorityKeeper:
    """Holds the authority in use; `shared` is whether other nodes use the store, which learn of issuers through it."""

    def __init__(
        self,
        db: Database,
        pki: Path,
        authority: Authority,
        clock: Clock,
        *,
        shared: bool,
        source: KeySource = FILES,
    ) -> None:
        self._db = db
        self._pki = pki
        self._authority = authority
        self._clock = clock
        self._shared = shared
        self._source = source
        self._stamp = folder.stamp(pki)
        self._known = -1
        self._told = ""
        self._looking = asyncio.Lock()
        self._told_of: list[Callable[[], None]] = []

    def on_change(self, call: Callable[[], None]) -> None:
        """Have something called, too, each time that there is another authority."""
        self._told_of.append(call)

    async def follow(self) -> None:
        """Take up what was changed, and record in the audit log whose key signs from now on; raises StoreError."""
        async with self._looking:
            if await self.look():
                await record_authority(self._db, self._authority, self._clock)
                for call in self._told_of:
                    call()

    def current(self) -> Authority:
        """Return the authority as it is now; who keeps it longer than for one step misses a new issuer."""
        return self._authority

    async def look(self) -> bool:
        """Take up what was changed in the folder, or by another node; tell whether there is another authority now.

        What cannot be read is logged, once, and the authority stays as it was.
        """
        try:
            changed = self._shared and await self._learn()
            if not changed and folder.stamp(self._pki) == self._stamp:
                return False
            stamp = folder.stamp(self._pki)
            found = authority_.load(self._pki, now=self._clock(), needs_key=False, source=self._source)
            if self._shared:
                await self._db.write(exchange(self._pki, found, now=int(self._clock())))
        except (ConfigError, StoreError) as error:
            if self._told != str(error):
                _log.error(
                    "the folder of the CA was changed and cannot be used, so it goes on as before", why=str(error)
                )
            self._told = str(error)
            return False
        self._stamp, self._authority, self._told = stamp, found, ""
        _log.info("took up the changed folder of the CA", issuer=found.current.key_id, root=found.fingerprint)
        return True

    async def _learn(self) -> bool:
        """Take what other nodes told into the folder, when there is something new; tell whether there was."""
        later = await self._db.read(authorities.later())
        if len(later) == self._known:
            return False
        changed = _take_in(self._pki, self._authority, later)
        self._known = len(later)
        return changed


def exchange(pki: Path, own: Authority, *, now: int) -> Steps[bool]:
    """Take what the store has and the folder lacks into the folder, and the other way round.

    Tells whether the folder has more now, so that it must be read again. The issuer whose certificate was made last
    is the one that signs. Raises KeyFileError when the folder cannot be written.
    """
    yield authorities.lock()
    later = yield from authorities.later()
    dropped = _dropped(later)
    known = {one.id for one in later}
    for one in _told_of(own):
        if one.id not in known and one.pem not in dropped:
            yield from authorities.add_later(one, now=now)
    return _take_in(pki, own, later)


def _told_of(own: Authority) -> list[LaterCertificate]:
    """Return what other nodes have to know of an authority."""
    issuers = [_later("issuer", chain) for one in own.issuers for chain in one.chains[:1]]
    others = [_later("root", (one,)) for one in own.roots]
    crossed = {one for issuer in own.issuers for chain in issuer.chains[1:] for one in chain[:-1]}
    shown = {one for issuer in own.issuers for one in issuer.chains[0]}
    return [*issuers, *others, *(_later("root", (one,)) for one in sorted(crossed - shown, key=_bytes))]


def _take_in(pki: Path, own: Authority, later: list[LaterCertificate]) -> bool:
    """Keep what the folder lacks; tell whether there was anything."""
    known = {one.id for one in _told_of(own)}
    dropped = _dropped(later)
    lacking = [one for one in later if one.id not in known and one.role != "dropped" and one.pem not in dropped]
    for one in lacking:
        if one.role == "root":
            folder.add(pki, x509.load_pem_x509_certificate(one.pem.encode()))
    newest = _age(own.current)
    issuers = [_issuer(one) for one in lacking if one.role == "issuer"]
    for issuer in sorted(issuers, key=_age):
        if _age(issuer) > newest:
            folder.install(pki, issuer.chains[0], None)
            newest = _age(issuer)
        elif own.issuer(issuer.key_id) is None:
            folder.keep(pki, issuer.chains[0])
    # A root goes when the issuer that signs is under another one, which is only seen when the folder is read again.
    gone = [one for one in own.roots if pem_of((one,)).decode() in dropped and newest == _age(own.current)]
    for root in gone:
        rotation.drop(pki, own, root)
    return bool(lacking or gone)


def _dropped(later: list[LaterCertificate]) -> set[str]:
    """Return the roots in PEM that clients are not to trust any more."""
    return {one.pem for one in later if one.role == "dropped"}


def _age(issuer: Issuer) -> tuple[float, str]:
    """Return what orders issuers in the same way on all nodes."""
    return issuer.not_before, issuer.key_id


def _later(role: str, chain: tuple[x509.Certificate, ...]) -> LaterCertificate:
    pem = pem_of(chain)
    return LaterCertificate(sha256(pem).hexdigest(), role, pem.decode())


def _issuer(told: LaterCertificate) -> Issuer:
    return Issuer((tuple(x509.load_pem_x509_certificates(told.pem.encode())),), None)


def _bytes(certificate: x509.Certificate) -> bytes:
    return certificate.tbs_certificate_bytes
