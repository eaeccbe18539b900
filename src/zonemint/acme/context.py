"""What the ACME server works with: the store, the clock, nonces, provisioners, the authority, and who it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.acme.limits import Limits
from zonemint.acme.nonces import Nonces
from zonemint.acme.urls import Urls
from zonemint.core.clock import Clock
from zonemint.core.ids import new_id
from zonemint.core.trace import Event
from zonemint.pki import issue
from zonemint.pki.authority import Authority
from zonemint.pki.issue import Template
from zonemint.pki.issuer import Issuer
from zonemint.pki.lint import Pair
from zonemint.pki.policy import Policy
from zonemint.pki.profiles import Profile
from zonemint.store.certificates import Certificate
from zonemint.store.database import Database, Steps
from zonemint.validation.attempts import Attempts
from zonemint.validation.caa import Caa
from zonemint.validation.method import Method

__all__ = ["Acme", "Lint", "Provisioner", "Witness", "no_lint"]


@dataclass(frozen=True, slots=True)
class Provisioner:
    """One ACME server of possibly several: its URLs, whom it issues for, and what, by the name of the profile.

    `methods` are the challenges that it offers, by their type, in the order in which clients see them; `networks` those
    that accounts are made and used from, none is every network. `terms` is the URL of the terms of service, and
    `terms_again` whether accounts that agreed to others do nothing before they agree to these. `subdomains` tells that
    control of a domain may be proved for the names below it (RFC 9444).
    """

    name: str
    urls: Urls
    policy: Policy
    profiles: Mapping[str, Profile]
    default_profile: str
    methods: Mapping[str, Method]
    website: str = ""
    terms: str = ""
    terms_again: bool = False
    external_account_required: bool = False
    honours_dates: bool = True
    networks: Sequence[IPv4Network | IPv6Network] = ()
    subdomains: bool = False


class Witness(Protocol):
    """Tells what is known of the names that answered a validation, for the order's story and against the proof."""

    def __call__(self, names: Sequence[str], passed: Sequence[str]) -> Steps[tuple[list[Event], str]]:
        """Return events (who registered a name, made an alias, set a value, and when), and an objection or nothing.

        The objection says why the names prove nothing all the same. `passed` are the names with the first as it is
        meant: `*.` before a domain that stands for all below it.
        """
        ...


class Lint(Protocol):
    """Tells why certificates of a shape must not be signed, by the one of them that is made, or nothing."""

    async def __call__(self, shape: Hashable, make: Callable[[], Pair]) -> str:
        """Return the reason, or an empty text; nothing is made for a shape that was found sound before."""
        ...


async def no_lint(shape: Hashable, make: Callable[[], Pair]) -> str:
    """Find nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Acme:
    """The ACME server; lifetimes in seconds, `patience` is how long a reply waits for work under way.

    `follow_authority` takes up what was changed in it elsewhere;
    `plain_url` is where revocation lists and intermediates are served without TLS.

    `known_keys` are refused, since they are public; `revoked` is called after each revocation; `replaced` says within
    which time (from and until, in seconds) the certificates of an issuer, by its key identifier, should be renewed
    since another one took its place; `process` names this run of the program, and `used_serials` are those that it
    has signed with and could not yet record.
    """

    db: Database
    clock: Clock
    nonces: Nonces
    provisioners: Mapping[str, Provisioner]
    current_authority: Callable[[], Authority]
    follow_authority: Callable[[], Awaitable[None]]
    plain_url: str
    attempts: Attempts
    caa: Caa
    witness: Witness
    revoked: Callable[[], None]
    order_lifetime: float
    authorization_lifetime: float
    limits: Limits
    reuses_authorizations: bool = False
    patience: float = 0.15
    known_keys: Container[CertificatePublicKeyTypes] = ()
    crl_window: int = 0
    lint: Lint = no_lint
    replaced: Callable[[bytes], tuple[int, int] | None] = lambda key_id: None
    process: str = field(default_factory=new_id)
    used_serials: set[str] = field(default_factory=set)

    @property
    def authority(self) -> Authority:
        """Return the authority as it is now: it may have got another issuer since the last time."""
        return self.current_authority()

    async def issuer_of(self, certificate: Certificate) -> Issuer | None:
        """Return the issuer of a certificate; another node may have had a new one sign a moment ago."""
        found = self.authority.issuer(certificate.issuer)
        if found is None:
            await self.follow_authority()
            found = self.authority.issuer(certificate.issuer)
        return found

    def template(self, profile: Profile) -> Template:
        """Return what the next certificates of a profile share; it is made once for each issuer."""
        return issue.served_at(self.plain_url, self.authority.current, profile, crl_window=self.crl_window)

    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock())
