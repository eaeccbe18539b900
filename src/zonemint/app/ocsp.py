"""The OCSP responder: it says what the store knows of a certificate at the moment at which it is asked.

Each issuer lets a key answer that only this process has; its certificate is made when somebody asks for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from zonemint.app.host_certificates import HostIssuer
from zonemint.core.clock import Clock
from zonemint.core.errors import ForeignDataError, IssuanceError, StoreError
from zonemint.pki import ocsp
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer
from zonemint.pki.ocsp import CertId, Query, Responder, Single
from zonemint.pki.responder import LIFETIME
from zonemint.store import certificates
from zonemint.store.certificates import State
from zonemint.store.database import Database

__all__ = ["Answer", "OcspResponder"]

_VALIDITY = 3600  # seconds until nextUpdate
_CACHED = 300  # seconds for which a cache may keep an answer
_PATIENCE = 10.0  # seconds for a node with the issuer's key to make a certificate
_PAUSE = 60.0  # seconds after which a certificate that could not be made is tried again
_HASHES = ("sha1", "sha256", "sha384", "sha512")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response in DER; `made_at` is in seconds since 1970, and `max_age` 0 where no cache may keep it."""

    der: bytes
    made_at: int = 0
    max_age: int = 0


@dataclass(slots=True)
class _Delegation:
    """What one issuer has let answer; `not_before` is when another certificate may be asked for."""

    responder: Responder | None = None
    renew_at: float = 0.0
    not_after: float = 0.0
    not_before: float = 0.0


class OcspResponder:
    """Answers for the issuers of an authority, which `authority` returns as it is now; `issuer` as OwnCertificate."""

    def __init__(
        self, db: Database, authority: Callable[[], Authority], issuer: Callable[[Issuer], HostIssuer], clock: Clock
    ) -> None:
        self._db = db
        self._authority = authority
        self._host_issuer = issuer
        self._clock = clock
        self._known: tuple[Authority | None, dict[tuple[str, bytes, bytes], Issuer]] = (None, {})
        self._delegations: dict[str, _Delegation] = {}
        self._delegating = asyncio.Lock()

    async def answer(self, request: bytes) -> Answer:
        """Answer a request in DER; what cannot be answered is said in the response (RFC 6960 section 4.2.1)."""
        try:
            query = ocsp.parse(request)
        except ForeignDataError:
            return Answer(ocsp.failure(ocsp.Status.MALFORMED_REQUEST))
        issuers = [self._issuer(one) for one in query.certificates]
        issuer = next((one for one in issuers if one is not None), None)
        if issuer is None:
            return Answer(ocsp.failure(ocsp.Status.UNAUTHORIZED))
        try:
            responder = await self._responder(issuer)
            # One response has one signature, and the certificates of another issuer are unknown to this one.
            asked = [one for one, of in zip(query.certificates, issuers, strict=True) if of is issuer]
            states = await self._db.read(certificates.states([f"{one.serial:x}" for one in asked]))
        except (StoreError, IssuanceError, TimeoutError):
            return Answer(ocsp.failure(ocsp.Status.TRY_LATER))
        singles = [
            _single(one, states.get(f"{one.serial:x}") if of is issuer else None, issuer)
            for one, of in zip(query.certificates, issuers, strict=True)
        ]
        return self._signed(responder, query, singles)

    def _signed(self, responder: Responder, query: Query, singles: list[Single]) -> Answer:
        now = int(self._clock())
        der = ocsp.respond(responder, singles, nonce=query.nonce, this_update=now, next_update=now + _VALIDITY, now=now)
        return Answer(der, now, 0 if query.nonce else _CACHED)

    def _issuer(self, asked: CertId) -> Issuer | None:
        authority = self._authority()
        if self._known[0] is not authority:
            hashes = {
                (name, *ocsp.issuer_hashes(one.certificate, name)): one for one in authority.issuers for name in _HASHES
            }
            self._known = (authority, hashes)
        return self._known[1].get((asked.hash_name, asked.name_hash, asked.key_hash))

    async def _responder(self, issuer: Issuer) -> Responder:
        """Return what answers for an issuer; raises StoreError, IssuanceError, TimeoutError while there is none."""
        held = self._delegations.setdefault(issuer.key_id, _Delegation())
        if held.responder is not None and self._clock() < held.renew_at:
            return held.responder
        async with self._delegating:
            now = self._clock()
            if now >= held.renew_at and now >= held.not_before:
                await self._delegate(issuer, held, now)
        if held.responder is not None and self._clock() <= held.not_after:
            return held.responder
        raise IssuanceError("there is no certificate to answer with yet")

    async def _delegate(self, issuer: Issuer, held: _Delegation, now: float) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            async with asyncio.timeout(_PATIENCE):
                made = await self._host_issuer(issuer).issue_responder(issuer, key)
        except (StoreError, IssuanceError, TimeoutError) as error:
            _log.error("there is no certificate for the OCSP responder", issuer=issuer.key_id, why=str(error))
            held.not_before = now + _PAUSE
            return
        assert made.der is not None
        held.responder = Responder(key, made.der)
        held.not_after = made.not_after
        held.renew_at = min(now + LIFETIME / 2, made.not_after)


def _single(asked: CertId, state: State | None, issuer: Issuer) -> Single:
    if state is None or state.issuer != issuer.key_id:
        return Single(asked, known=False)
    return Single(asked, known=True, revoked_at=state.revoked_at, reason=state.reason)
