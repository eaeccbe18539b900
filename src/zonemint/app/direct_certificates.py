"""Certificates that whoever has the data folder issues: there is nobody to prove anything to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.acme.context import Lint, no_lint
from zonemint.app.ca import plain_url
from zonemint.app.linter import Linter
from zonemint.app.provisioners import enrollment_profile
from zonemint.config import Config, DataDir
from zonemint.core.errors import ConfigError, CsrError
from zonemint.core.hosts import parted
from zonemint.enrollment.issuance import Asked, issue, refuse_blocked
from zonemint.pki import authority as authority_
from zonemint.pki import csr as csr_
from zonemint.pki.issue import Template, served_at
from zonemint.pki.key_source import key_source
from zonemint.pki.keys import spki_sha256
from zonemint.pki.policy import Policy
from zonemint.pki.weak_keys import KnownKeys
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database
from zonemint.store.revocations import DAY

__all__ = ["DirectIssuer", "issuer"]


@dataclass(frozen=True, slots=True)
class DirectIssuer:
    """Issues for names within the CA's policy, at one moment, seconds since 1970."""

    db: Database
    template: Template
    policy: Policy
    known_keys: KnownKeys | tuple[()]
    lint: Lint
    now: float

    @property
    def chain_pem(self) -> bytes:
        """Return what follows a certificate in its chain."""
        return self.template.issuer.chain_pem()

    async def issue(self, hosts: Sequence[str], public_key: CertificatePublicKeyTypes, *, actor: str) -> Certificate:
        """Issue for a key; raises ConfigError for a name that the CA does not issue for, IssuanceError, StoreError."""
        for host in hosts:
            if refusal := self.policy.host_refusal(host):
                raise ConfigError(refusal)
        names, ips = parted(hosts)

        asked = Asked(public_key, actor, "zonemint certs", enrolled_by=actor)
        return await issue(
            self.db,
            self.template,
            asked,
            names=names,
            ips=ips,
            lint=self.lint,
            now=self.now,
            first=lambda: refuse_blocked(spki_sha256(public_key)),
        )

    async def issue_for(self, hosts: Sequence[str], request: bytes, *, actor: str) -> Certificate:
        """Issue for the key of a request in PEM, which has these names or none; raises CsrError, too."""
        names, ips = parted(hosts)
        csr = csr_.check_pem(
            request, names=names, ips=ips, may_have_none=True, known_keys=self.known_keys, of="command"
        )
        if refusal := self.template.profile.key_refusal(csr.kind, csr.bits):
            raise CsrError(refusal)
        return await self.issue(hosts, csr.public_key, actor=actor)


def issuer(db: Database, data: DataDir, config: Config, *, now: float) -> DirectIssuer:
    """Load what is needed from the data folder; raises KeyFileError where the CA's key is not."""
    current = authority_.load(data.pki, now=now, source=key_source(config, data.path)).current
    base = plain_url(config, config.listen.http_port)
    made = served_at(base, current, enrollment_profile(config), crl_window=config.issuance.crl_days * DAY)
    known = config.issuance.known_keys
    return DirectIssuer(
        db,
        made,
        Policy(config.domains),
        KnownKeys(data.path / known) if known else (),
        Linter().objection if config.issuance.lint else no_lint,
        now,
    )
