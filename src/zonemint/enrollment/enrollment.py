"""What machines without ACME ask for: a certificate for a token, and a new one for the one that they have."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.acme.context import Lint
from zonemint.core.clock import Clock
from zonemint.core.errors import CsrError, EnrollmentError
from zonemint.core.hosts import parted
from zonemint.enrollment import token as token_
from zonemint.enrollment.issuance import Asked, issue, refuse_blocked
from zonemint.pki import csr as csr_
from zonemint.pki.authority import Authority
from zonemint.pki.csr import Csr
from zonemint.pki.issue import Template
from zonemint.pki.policy import Policy
from zonemint.store import certificates, token_issuers
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database, Steps

__all__ = ["Enrollment"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """Issues within a policy, from one profile's template; `host` is the server's name, which tokens must be for."""

    db: Database
    clock: Clock
    authority: Callable[[], Authority]
    template: Callable[[], Template]
    policy: Policy
    host: str
    known_keys: Container[CertificatePublicKeyTypes]
    lint: Lint

    async def sign(
        self, request: str, text: str, *, not_before: int | None, not_after: int | None, source: str
    ) -> Certificate:
        """Issue for a CSR in PEM that asks for just what a one-time token is for, and no second time.

        Raises EnrollmentError 401 for the token, 400 for the CSR and the dates, 403 for the policy; IssuanceError,
        StoreError.
        """
        parsed = token_.parse(text)
        issuer = await self.db.read(token_issuers.by_kid(parsed.kid))
        if issuer is None:
            raise EnrollmentError(f"the token is refused: no key '{parsed.kid[:80]}' may make tokens here", 401)
        now = self.clock()
        # Whoever makes tokens names the root that it trusts, which after a change of the root is the one before.
        roots = self.authority().fingerprints
        claims = token_.read(parsed, issuer.jwk, issuer.name, host=self.host, roots=roots, now=now)
        self._hold_against_policy(claims.hosts)
        csr = self._checked(request, claims.names, claims.ips, of="token")
        if refusal := self.template().profile.refusal(now=now, not_before=not_before, not_after=not_after):
            raise EnrollmentError(refusal, 400)

        def spend() -> Steps[None]:
            if not (yield from token_issuers.spend(claims.id, expires_at=claims.expires_at)):
                raise EnrollmentError("the token is refused: it was used already; make a new one", 401)
            yield from refuse_blocked(csr.spki_sha256)

        by = f"one-time-token:{claims.issuer}"
        asked = Asked(csr.public_key, by, source, enrolled_by=by)
        return await self._issue(asked, claims.names, claims.ips, spend, not_before=not_before, not_after=not_after)

    async def renew(self, presented: bytes, *, source: str) -> Certificate:
        """Issue anew what a certificate (DER) is for that its owner has shown to have the key of, for the same key.

        Raises as `rekey` does.
        """
        current = await self._current(presented)
        try:
            csr = csr_.of_key(x509.load_der_x509_certificate(presented).public_key())
        except CsrError as error:
            raise EnrollmentError(str(error), 400) from None
        return await self._renew(current, csr, source)

    async def rekey(self, presented: bytes, request: str, *, source: str) -> Certificate:
        """Issue anew what a certificate is for, for the key of a CSR in PEM.

        Raises EnrollmentError 401 for a certificate that may not be renewed with itself: another CA's, revoked, ended,
        of an ACME order, 400 for the CSR, 403 for the policy; IssuanceError, StoreError.
        """
        current = await self._current(presented)
        names, ips = parted(current.names)
        # step's clients send a request that is a key and no more.
        csr = self._checked(request, names, ips, of="certificate", may_have_none=True)
        return await self._renew(current, csr, source)

    async def _renew(self, current: Certificate, csr: Csr, source: str) -> Certificate:
        self._hold_against_policy(current.names)
        if refusal := self.template().profile.key_refusal(csr.kind, csr.bits):
            raise EnrollmentError(refusal, 400)
        asked = Asked(csr.public_key, f"certificate:{current.serial}", source, enrolled_by=current.enrolled_by)

        def still_good() -> Steps[None]:
            found = yield from certificates.by_serial(current.serial)
            if found is None or found.status != "valid":
                raise EnrollmentError("the certificate was revoked", 401)
            yield from refuse_blocked(csr.spki_sha256)

        return await self._issue(asked, *parted(current.names), still_good)

    async def _current(self, presented: bytes) -> Certificate:
        try:
            serial = f"{x509.load_der_x509_certificate(presented).serial_number:x}"
        except (ValueError, x509.InvalidVersion):
            raise EnrollmentError("the client certificate cannot be read", 400) from None
        found = await self.db.read(certificates.by_serial(serial))
        if found is None or found.der != presented:
            raise EnrollmentError("the client certificate is none of this CA", 401)
        if found.status != "valid":
            raise EnrollmentError("the client certificate was revoked: get one with a token", 401)
        if not found.not_before <= self.clock() <= found.not_after:
            raise EnrollmentError("the client certificate has ended: get one with a token", 401)
        if found.enrolled_by is None:
            raise EnrollmentError("the client certificate is of an ACME order, which its client renews by ACME", 401)
        return found

    def _hold_against_policy(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            if refusal := self.policy.host_refusal(host):
                raise EnrollmentError(refusal, 403)

    def _checked(
        self, request: str, names: Iterable[str], ips: Iterable[str], *, of: str, may_have_none: bool = False
    ) -> Csr:
        try:
            csr = csr_.check_pem(
                request.encode(),
                names=names,
                ips=ips,
                may_have_none=may_have_none,
                known_keys=self.known_keys,
                of=of,
            )
        except CsrError as error:
            raise EnrollmentError(str(error), 400) from None
        if refusal := self.template().profile.key_refusal(csr.kind, csr.bits):
            raise EnrollmentError(refusal, 400)
        return csr

    async def _issue(
        self,
        asked: Asked,
        names: tuple[str, ...],
        ips: tuple[str, ...],
        first: Callable[[], Steps[None]],
        *,
        not_before: int | None = None,
        not_after: int | None = None,
    ) -> Certificate:
        try:
            issued = await issue(
                self.db,
                self.template(),
                asked,
                names=names,
                ips=ips,
                lint=self.lint,
                now=self.clock(),
                not_before=not_before,
                not_after=not_after,
                first=first,
            )
        except CsrError as error:
            raise EnrollmentError(str(error), 400) from None
        _log.info("issued a certificate without an order", serial=issued.serial, hosts=issued.names, by=asked.actor)
        return issued
