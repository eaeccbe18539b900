"""What a node with the CA's key signs for nodes without it: orders, requests without ACME, their own certificates."""

from __future__ import annotations

import asyncio

import structlog

from zonemint.acme import handover
from zonemint.acme.context import Acme
from zonemint.app.enrollment_desk import ENROLLMENT, settle
from zonemint.app.host_certificates import RESPONDER, IssuedHere
from zonemint.core.errors import CsrError, IssuanceError, StoreError
from zonemint.core.hosts import parted
from zonemint.core.tasks import heard
from zonemint.enrollment.enrollment import Enrollment
from zonemint.pki import csr
from zonemint.pki.policy import Policy
from zonemint.store import signings
from zonemint.store.signings import Signing

__all__ = ["SigningDesk"]

_LOOK = 2.0  # seconds between looks, should nobody tell
_LEASE = 15_000  # milliseconds for which other nodes leave what we took alone
_AT_ONCE = 16

_log = structlog.get_logger()


class SigningDesk:
    """Works off the requests of other nodes, for what lies within the policy; several desks share the work.

    One on a node without the key of the issuer that signs does nothing, until it has it.
    """

    def __init__(self, acme: Acme, enrollment: Enrollment, issuer: IssuedHere, policy: Policy) -> None:
        self._acme = acme
        self._enrollment = enrollment
        self._issuer = issuer
        self._policy = policy
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Look soon: there may be something to sign."""
        self._told.set()

    async def keep(self) -> None:
        """Sign what there is to sign, for ever."""
        while True:
            await heard(self._told, _LOOK)
            try:
                while await self._sign_some():
                    pass
            except StoreError as error:
                _log.error("requests of other nodes wait, for the store cannot answer", error=str(error))
                await asyncio.sleep(_LOOK)

    async def _sign_some(self) -> bool:
        if not self._acme.authority.can_sign:
            return False
        now_ms = int(self._acme.clock() * 1000)
        taken = await self._acme.db.write(
            signings.take(self._acme.process, now_ms=now_ms, until_ms=now_ms + _LEASE, limit=_AT_ONCE)
        )
        for signing in taken:
            try:
                if signing.order_id is None:
                    await self._sign_host(signing)
                else:
                    await handover.sign(self._acme, signing)
            except StoreError:
                raise
            except Exception:
                # One bad request must not keep the others waiting; it is tried again when its lease has run out.
                _log.exception("a request of another node failed unexpectedly", signing=signing.id)
        return len(taken) == _AT_ONCE

    async def _sign_host(self, signing: Signing) -> None:
        if signing.hosts == (ENROLLMENT,):
            await settle(self._enrollment, signing)
            return
        if signing.hosts and signing.hosts[0].startswith(RESPONDER):
            await self._sign_responder(signing, signing.hosts[0].removeprefix(RESPONDER))
            return
        names, ips = parted(signing.hosts)
        try:
            for host in (*names, *ips):
                if refusal := self._policy.host_refusal(host):
                    raise IssuanceError(refusal)
            request = csr.check(
                signing.csr, names=frozenset(names), ips=frozenset(ips), known_keys=self._acme.known_keys
            )
            signed = await self._issuer.sign(names, ips, request.public_key)
        except (CsrError, IssuanceError) as error:
            await self._acme.db.write(signings.finish(signing.id, error=str(error)))
        else:
            await self._acme.db.write(signings.finish(signing.id, serial=signed.serial))

    async def _sign_responder(self, signing: Signing, key_id: str) -> None:
        try:
            issuer = self._acme.authority.issuer(key_id)
            if issuer is None or not issuer.can_sign:
                raise IssuanceError("the issuer's key is not on this node")
            request = csr.check(signing.csr, names=frozenset(), ips=frozenset(), known_keys=self._acme.known_keys)
            signed = await self._issuer.sign_responder(issuer, request.public_key)
        except (CsrError, IssuanceError) as error:
            await self._acme.db.write(signings.finish(signing.id, error=str(error)))
        else:
            await self._acme.db.write(signings.finish(signing.id, serial=signed.serial))
