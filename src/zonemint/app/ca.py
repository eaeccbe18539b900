"""The role `ca`: the authority with its ACME server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from typing import Self
from urllib.parse import urlsplit

import structlog
from cryptography import x509

from zonemint.acme.context import Acme, no_lint
from zonemint.acme.limits import Limits
from zonemint.acme.nonces import LocalNonces, Nonces
from zonemint.acme.shared_nonces import SharedNonces
from zonemint.acme.validator import Validator
from zonemint.acmedns.witness import testify
from zonemint.app.audit_log import record_authority
from zonemint.app.authority_keeper import AuthorityKeeper
from zonemint.app.base import Base
from zonemint.app.challenges import caa, challenge_methods
from zonemint.app.enrollment_desk import answering
from zonemint.app.host_certificates import IssuedElsewhere, IssuedHere
from zonemint.app.linter import Linter
from zonemint.app.ocsp import OcspResponder
from zonemint.app.own_certificate import OwnCertificate
from zonemint.app.provisioners import enrollment_profile, own_profile, profiles, provisioners
from zonemint.app.resolvers import resolver
from zonemint.app.revocation_list import RevocationLists
from zonemint.app.rotation import Rotation
from zonemint.app.signing_desk import SigningDesk
from zonemint.app.succession_watch import SuccessionWatch
from zonemint.app.vetting import vet
from zonemint.config import Config
from zonemint.core.errors import ConfigError
from zonemint.core.hosts import is_address
from zonemint.core.names import is_within
from zonemint.dns.client import Here
from zonemint.enrollment.enrollment import Enrollment
from zonemint.pki.authority import Authority
from zonemint.pki.key_source import key_source
from zonemint.pki.policy import Policy
from zonemint.pki.rotation import replaced
from zonemint.pki.weak_keys import KnownKeys
from zonemint.store.revocations import DAY
from zonemint.store.sqlite import SqliteDatabase
from zonemint.validation.attempts import Attempts
from zonemint.validation.turns import Turns
from zonemint.web.acme import AcmeResources
from zonemint.web.endpoint import Sources
from zonemint.web.enrollment import EnrollmentResources
from zonemint.web.ocsp import OcspResources
from zonemint.web.pki import PkiResources

__all__ = ["Ca", "check_domains", "plain_url"]

_VALIDATIONS = 64  # challenges that are checked at once

_log = structlog.get_logger()


class Ca:
    """A running authority; made with `start`."""

    def __init__(
        self, base: Base, authority: AuthorityKeeper, acme: Acme, crl: RevocationLists, issuer: IssuedHere
    ) -> None:
        self._base = base
        self._authority = authority
        self._acme = acme
        self._issuer = issuer
        self._served = authority.current()
        self._own: OwnCertificate | None = None
        self.crl = crl
        change = Rotation(base.data, base.config, base.db, base.clock, "server")
        self.succession = SuccessionWatch(authority, change, base.config)
        self.validator = Validator(acme)
        elsewhere = IssuedElsewhere(base.db, base.clock)
        self._ocsp = OcspResponder(
            base.db, authority.current, lambda signs: issuer if signs.can_sign else elsewhere, base.clock
        )
        self._vetting: asyncio.Task[None] | None = None
        base.stack.push_async_callback(self.validator.close)

    @classmethod
    async def start(
        cls, base: Base, authority: Authority, *, own_dns: tuple[str, int], http_port: int, here: Here | None = None
    ) -> Self:
        """Load what an authority has in the store.

        `own_dns` is where our own DNS server is asked, if one runs, and `here` the server itself.
        """
        config, db, clock = base.config, base.db, base.clock
        await record_authority(db, authority, clock)
        plain = plain_url(config, http_port)
        shared = not isinstance(db, SqliteDatabase)
        keeper = AuthorityKeeper(
            db, base.data.pki, authority, clock, shared=shared, source=key_source(config, base.data.path)
        )
        crl = RevocationLists(db, keeper.current, plain, clock, window=config.issuance.crl_days * DAY)
        keeper.on_change(crl.revoked)
        await crl.load()
        resolve = resolver(config, own_dns, clock, here)
        methods = challenge_methods(config, resolve, clock)
        auth_zones = config.auth_zones if base.has("acmedns") else ()
        linter = Linter() if config.issuance.lint else None
        acme = Acme(
            db=db,
            clock=clock,
            nonces=await _nonces(base),
            provisioners=provisioners(config, methods),
            current_authority=keeper.current,
            follow_authority=keeper.follow,
            plain_url=plain,
            attempts=Attempts(
                config.validation.attempts,
                float(config.validation.interval),
                config.validation.attempt_limit,
                Turns(_VALIDATIONS),
            ),
            caa=caa(config, resolve),
            witness=lambda names, passed: testify(auth_zones, names, passed),
            revoked=crl.revoked,
            replaced=lambda key_id: replaced(keeper.current(), key_id.hex(), int(config.ca.renew_within)),
            order_lifetime=float(config.acme.order_lifetime),
            authorization_lifetime=float(config.acme.authorization_lifetime),
            limits=Limits(config.limits),
            known_keys=KnownKeys(base.data.path / known) if (known := config.issuance.known_keys) else (),
            reuses_authorizations=config.acme.authorization_reuse,
            lint=linter.objection if linter else no_lint,
            crl_window=config.issuance.crl_days * DAY,
        )
        own = own_profile(config)
        ca = cls(base, keeper, acme, crl, IssuedHere(db, lambda: acme.template(own), clock, acme.lint))
        if linter and keeper.current().can_sign:
            every = [acme.template(profile) for profile in profiles(config).values()]
            mine = acme.template(own), *_own_names(base)
            ca._begin_vetting(vet(linter, every, domain=config.domain, own=mine, now=clock()))
        return ca

    def _begin_vetting(self, vetting: Coroutine[None, None, None]) -> None:
        """Go on with the start meanwhile: it takes a third of a second, in another process."""
        self._vetting = asyncio.create_task(vetting)
        self._base.stack.push_async_callback(_end, self._vetting)

    @property
    def process(self) -> str:
        """The name of this run of the program in the store."""
        return self._acme.process

    @property
    def shared_nonces(self) -> SharedNonces | None:
        """The nonces, where nodes share them."""
        return self._acme.nonces if isinstance(self._acme.nonces, SharedNonces) else None

    @property
    def desk(self) -> SigningDesk:
        """What signs for other nodes, while the key of the issuer that signs is here."""
        return SigningDesk(self._acme, self._enrollment, self._issuer, Policy(self._base.config.domains))

    def enrollment(self, sources: Sources) -> EnrollmentResources:
        """Return what machines without ACME are answered."""
        enrollment = self._enrollment
        answer = answering(enrollment, lambda: self._acme.authority.can_sign)
        return EnrollmentResources(
            answer, enrollment.db, enrollment.clock, self._authority.current, self._acme.issuer_of, sources
        )

    @property
    def _enrollment(self) -> Enrollment:
        config, acme = self._base.config, self._acme
        profile = enrollment_profile(config)
        return Enrollment(
            db=acme.db,
            clock=acme.clock,
            authority=self._authority.current,
            template=lambda: acme.template(profile),
            policy=Policy(config.domains),
            host=urlsplit(config.external_url).hostname or "",
            known_keys=acme.known_keys,
            lint=acme.lint,
        )

    def ask_for_certificates(self, context: ssl.SSLContext) -> None:
        """Have TLS clients show a certificate of ours if they have one; who shows another one is refused."""

        def trust() -> None:
            authority = self._authority.current()
            context.load_verify_locations(cadata=(authority.roots_pem + authority.intermediates_pem).decode())

        trust()
        self._authority.on_change(trust)
        context.verify_mode = ssl.CERT_OPTIONAL

    def own_certificates(self) -> Sequence[tuple[str, x509.Certificate]]:
        """Return the certificates of the authority itself, each after what it is: their end ends what is below."""
        return self._acme.authority.certificates

    def own_certificate(self) -> OwnCertificate:
        """Return what keeps a certificate for our own listener."""
        base = self._base
        elsewhere = IssuedElsewhere(base.db, base.clock)
        self._own = OwnCertificate(
            base.db,
            base.data,
            self._authority.current,
            lambda: self._issuer if self._acme.authority.can_sign else elsewhere,
            *_own_names(base),
            base.clock,
        )
        return self._own

    def resources(self, sources: Sources) -> tuple[AcmeResources, PkiResources, OcspResources]:
        """Return what is answered over HTTPS only, and what everyone may fetch."""
        return (
            AcmeResources(self._acme, self.validator, sources, origins=self._base.config.acme.origins),
            PkiResources(self._authority.current, self.crl.der, sources),
            OcspResources(self._ocsp.answer, sources),
        )

    async def follow(self) -> None:
        """Take up a new issuer, or a new root, when there is one; our own certificate has to be of that issuer."""
        await self._authority.follow()
        if self._served is not (now := self._authority.current()):
            self._served = now
            if self._own is not None:
                await self._own.renew_if_due()

    async def take_up(self) -> None:
        """Go on with what the last run left; raises ConfigError when a profile makes what must not be signed."""
        if self._vetting is not None:
            await self._vetting
        if resumed := await self.validator.take_up(abandoned=isinstance(self._base.db, SqliteDatabase)):
            _log.info("took up work of the last run", validations=resumed)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def plain_url(config: Config, port: int) -> str:
    """Return where the listener without TLS is reached, as certificates have it."""
    return f"http://ca.{config.domain}" + ("" if port == 80 else f":{port}")


def check_domains(config: Config, authority: Authority) -> None:
    """Refuse domains that the intermediate may not issue for, since clients would refuse it; raises ConfigError."""
    permitted = authority.current.domains
    foreign = [one for one in config.domains if permitted and not any(is_within(one, base) for base in permitted)]
    if foreign:
        raise ConfigError(
            f"the CA's intermediate is limited to {', '.join(permitted)} and cannot issue for {', '.join(foreign)}: "
            "put the root's key back into pki/ for one start, or have what `zonemint ca csr` prints signed by the root"
        )


async def _nonces(base: Base) -> Nonces:
    if isinstance(base.db, SqliteDatabase):
        return LocalNonces(base.clock)
    nonces = SharedNonces(base.db, base.db.run, base.clock)
    await nonces.load()
    return nonces


def _own_names(base: Base) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the DNS names and addresses that our own certificate must have."""
    config = base.config
    host = urlsplit(config.external_url).hostname or ""
    names = [f"ca.{config.domain}", f"ns1.{config.domain}", *config.auth_zones, "localhost"]
    ips = ["127.0.0.1", "::1"]
    policy = Policy(config.domains)
    for one in (host, base.address):
        kind, known = ("ip", ips) if is_address(one) else ("dns", names)
        if one not in known:
            refusal = policy.refusal(kind, one)
            if refusal is None:
                known.append(one)
            elif one == host:
                raise ConfigError(f"external_url: our own CA cannot issue for its host: {refusal}")
    return tuple(names), tuple(ips)
