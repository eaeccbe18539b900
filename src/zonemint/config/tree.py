"""The tree of settings, and the rules between its tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from zonemint.config.acme import Acme, check_challenges
from zonemint.config.acmedns import AcmeDns
from zonemint.config.ca import Ca
from zonemint.config.dns import Dns
from zonemint.config.dnssec import Dnssec
from zonemint.config.enrollment import Enrollment
from zonemint.config.forward import Forward
from zonemint.config.hooks import Hook
from zonemint.config.issuance import Issuance
from zonemint.config.limits import Limits
from zonemint.config.listen import Listen
from zonemint.config.profiles import BUILT_IN, LONGEST_LIFETIME, Profile
from zonemint.config.provisioners import FIRST, Provisioner
from zonemint.config.query_log import QueryLog
from zonemint.config.store import Store
from zonemint.config.validation import Validation
from zonemint.config.values import Seconds, SettingError, check, origin, quoted
from zonemint.config.views import View
from zonemint.config.zones import ZoneSettings
from zonemint.core.names import hostname, is_within, normalize
from zonemint.core.networks import networks
from zonemint.core.text import shown, without_password

__all__ = ["Config", "masked", "override"]

_Table = TypeVar("_Table", bound=msgspec.Struct)
_ROLES = ("ca", "dns", "acmedns")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # TOML's bare keys; a segment of URLs
_REVERSE = (".in-addr.arpa", ".ip6.arpa")
_LONGEST_NAME = 64 - len(" Intermediate CA")  # RFC 5280 appendix A: ub-common-name


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting; a value that is made from others (`name`, `external_url`) is filled in.

    Raises SettingError when it is made with a value that no setting can have.
    """

    domain: Annotated[str, Meta(description="The private domain that we serve and sign for.")]
    extra_domains: Annotated[tuple[str, ...], Meta(description="More domains like it.")] = ()
    name: Annotated[str, Meta(description="The authority's name in its certificates.")] = ""
    external_url: Annotated[
        str, Meta(description="Where clients reach the HTTPS listener; every URL in answers starts with it.")
    ] = ""
    roles: Annotated[tuple[str, ...], Meta(description="What runs here, of ca, dns and acmedns.")] = _ROLES
    listen: Listen = Listen()
    store: Store = Store()
    dns: Dns = Dns()
    dnssec: Dnssec = Dnssec()
    forward: Forward = Forward()
    query_log: QueryLog = QueryLog()
    ca: Ca = Ca()
    acme: Acme = Acme()
    limits: Limits = Limits()
    issuance: Issuance = Issuance()
    enrollment: Enrollment = Enrollment()
    validation: Validation = Validation()
    acmedns: AcmeDns = AcmeDns()
    profiles: Mapping[str, Profile] = {}
    provisioners: Mapping[str, Provisioner] = {}
    hooks: Mapping[str, Hook] = {}
    zones: Mapping[str, ZoneSettings] = {}
    views: Mapping[str, View] = {}

    def __post_init__(self) -> None:
        def complete(field: str, value: object) -> None:
            msgspec.structs.force_setattr(self, field, value)

        complete("domain", check("domain", self.domain, hostname))
        complete("extra_domains", tuple(check("extra_domains", name, hostname) for name in self.extra_domains))
        if len(set(self.domains)) < len(self.domains):
            raise SettingError("extra_domains", "a domain is named twice")
        for zone in self.acmedns.extra_zones:
            if not any(is_within(zone, domain) and zone != domain for domain in self.domains):
                raise SettingError("acmedns.extra_zones", f"{zone} lies below none of {', '.join(self.domains)}")
        if len(set(self.auth_zones)) < len(self.auth_zones):
            raise SettingError("acmedns.extra_zones", "an auth zone is named twice")
        if both := next((zone for zone in self.auth_zones if zone in self.domains), None):
            raise SettingError("extra_domains", f"{both} is an auth zone: its records are those of the acme-dns API")
        for zone in self.auth_zones:
            if any(zone != other and is_within(zone, other) for other in self.auth_zones):
                raise SettingError("acmedns.extra_zones", f"{zone} lies in another auth zone")
        if len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise SettingError("name", f"it must have at most {_LONGEST_NAME} characters, all printable")
        complete("name", self.name or self.domain[:_LONGEST_NAME])
        self._check_profiles()
        self._check_enrollment()
        self._check_provisioners()
        self._check_hooks()
        self._check_roles()
        complete("zones", self._named_zones())
        self._check_views()
        complete("external_url", check("external_url", self.external_url or self.usual_url, origin))

    @property
    def every_profile(self) -> Mapping[str, Profile]:
        """The profiles that there are, each with its lifetime; `default` first."""
        return {
            name: msgspec.structs.replace(one, lifetime=self._lifetime_of(name)[1])
            for name, one in {**BUILT_IN, **self.profiles}.items()
        }

    @property
    def every_provisioner(self) -> Mapping[str, Provisioner]:
        """The ACME servers that there are, `acme` first, each with its profiles and challenges."""
        profiles = tuple({**BUILT_IN, **self.profiles})
        return {
            name: msgspec.structs.replace(
                one, profiles=one.profiles or profiles, challenges=one.challenges or self.acme.challenges
            )
            for name, one in {FIRST: Provisioner(), **self.provisioners}.items()
        }

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain, the first one first."""
        return (self.domain, *self.extra_domains)

    @property
    def usual_url(self) -> str:
        """The external URL where none is set."""
        port = "" if self.listen.https_port in (0, 443) else f":{self.listen.https_port}"
        return f"https://{'ca' if 'ca' in self.roles else 'auth'}.{self.domain}{port}"

    @property
    def has_https(self) -> bool:
        """Whether there is anything for an HTTPS listener to say, and a certificate to say it with."""
        return "ca" in self.roles or ("acmedns" in self.roles and self.has_certificate)

    @property
    def has_certificate(self) -> bool:
        """Whether there is a certificate for our listeners: our own CA's, or one that was brought."""
        return "ca" in self.roles or bool(self.listen.certificate)

    @property
    def api_url(self) -> str:
        """Where clients find the acme-dns API, if it runs here."""
        if self.has_https:
            return self.external_url
        port = "" if self.listen.http_port in (0, 80) else f":{self.listen.http_port}"
        return f"http://{self.auth_zones[0]}{port}"

    def _lifetime_of(self, profile: str) -> tuple[str, Seconds]:
        """Return how long the certificates of a profile live, and the setting that says so."""
        for table in (self.profiles, BUILT_IN):
            if profile in table and (own := table[profile].lifetime) is not None:
                return f"profiles.{profile}.lifetime", own
        return "acme.certificate_lifetime", self.acme.certificate_lifetime

    def _check_profiles(self) -> None:
        for name in self.profiles:
            _check_table_name("profiles", name)
        for name, one in self.every_profile.items():
            key, lifetime = self._lifetime_of(name)
            if lifetime > LONGEST_LIFETIME:
                raise SettingError(key, f"{lifetime} is too long: no certificate outlives the CA's {LONGEST_LIFETIME}")
            if one.backdate >= lifetime:
                own = name in self.profiles and not key.startswith("profiles.")
                raise SettingError(
                    f"profiles.{name}.backdate" if own else key,
                    f"a life of {lifetime} that begins {one.backdate} ago (profiles.{name}.backdate) is over at once",
                )

    def _check_hooks(self) -> None:
        for name, one in self.hooks.items():
            _check_table_name("hooks", name)
            if bool(one.url) == bool(one.command):
                raise SettingError(f"hooks.{name}", "a hook has a url or a command, and not both")

    def _check_enrollment(self) -> None:
        if (name := self.enrollment.profile) and name not in self.every_profile:
            known = ", ".join(self.every_profile)
            raise SettingError("enrollment.profile", f"there is no profile '{name}'; there is {known}")

    def _check_provisioners(self) -> None:
        for name, one in self.provisioners.items():
            _check_table_name("provisioners", name)
            if missing := next((want for want in one.profiles if want not in {**BUILT_IN, **self.profiles}), None):
                raise SettingError(f"provisioners.{name}.profiles", f"there is no profile '{missing}'")
            check_challenges(f"provisioners.{name}.challenges", one.challenges)
            for key, named in one.named.items():
                for host in named:
                    if host != "localhost" and not any(is_within(host, domain) for domain in self.domains):
                        raise SettingError(
                            f"provisioners.{name}.{key}", f"{host} lies outside the domains {', '.join(self.domains)}"
                        )

    def _check_roles(self) -> None:
        if not self.roles or not set(self.roles) <= set(_ROLES) or len(set(self.roles)) < len(self.roles):
            raise SettingError("roles", f"it must be a list of some of {', '.join(_ROLES)}")
        served = tuple(self.validation.resolvers) if "dns" not in self.roles else self.domains
        asked = self.validation.resolver or all(any(is_within(one, zone) for zone in served) for one in self.domains)
        for key in ("dot_port", "doh_port"):
            if getattr(self.listen, key) is not None and not self.has_certificate:
                raise SettingError(f"listen.{key}", "no CA runs here that could issue for it: set listen.certificate")
        if "ca" in self.roles and not asked:
            raise SettingError("validation.resolver", "no DNS server for the domains runs here: name the one to ask")
        if "acmedns" in self.roles and not self.has_https and not self.acmedns.plain_http:
            raise SettingError(
                "listen.certificate",
                "no CA runs here that could issue for the acme-dns API: bring a certificate and its key, "
                "or set acmedns.plain_http",
            )

    def _check_views(self) -> None:
        for name, one in self.views.items():
            _check_table_name("views", name)
            for text in one.networks:
                check(f"views.{name}.networks", text, lambda network: networks([network]))

    def _named_zones(self) -> dict[str, ZoneSettings]:
        """Return the tables of zones by their names in the one spelling that names have here."""
        zones: dict[str, ZoneSettings] = {}
        for text, one in self.zones.items():
            key = f"zones.{quoted(text)}"
            name = check(key, text, normalize)
            if name in zones:
                raise SettingError(key, f"the zone {name} has a table already")
            if auth := next((zone for zone in self.auth_zones if is_within(name, zone)), None):
                raise SettingError(key, f"it lies in {auth}: the records there are those of the acme-dns API")
            if one.primaries and name in self.domains:
                raise SettingError(f"{key}.primaries", f"{name} is one of the domains, whose records are made here")
            sources = tuple([check(f"{key}.reverse_of", source, normalize) for source in one.reverse_of])
            if sources and not name.endswith(_REVERSE):
                raise SettingError(f"{key}.reverse_of", f"{name} is no reverse zone, below in-addr.arpa or ip6.arpa")
            if one.primaries and name in self.domains:
                raise SettingError(f"{key}.primaries", "the domains are ours; other zones may come from primaries")
            zones[name] = msgspec.structs.replace(one, reverse_of=sources)
        if self.dns.catalog in (*zones, *self.domains, *self.auth_zones):
            raise SettingError("dns.catalog", f"{self.dns.catalog} is a zone already; catalog.invalid would not be")
        return zones

    @property
    def auth_zones(self) -> tuple[str, ...]:
        """Every zone of the acme-dns API, the first one first."""
        return (f"auth.{self.domain}", *self.acmedns.extra_zones)


def _check_table_name(table: str, name: str) -> None:
    if not _TABLE_NAME.fullmatch(name):
        raise SettingError(table, f"the name '{shown(name)}' must be of at most 64 letters, digits, - and _")


def override(
    config: Config,
    *,
    address: str | None = None,
    dns_port: int | None = None,
    https_port: int | None = None,
    http_port: int | None = None,
    dot_port: int | None = None,
    doh_port: int | None = None,
    external_url: str | None = None,
    database: str | None = None,
    roles: Sequence[str] = (),
    certificate: str | None = None,
    key: str | None = None,
    plain_http: bool | None = None,
    resolver: str | None = None,
) -> Config:
    """Return the settings with what a command line says in its place; raises SettingError.

    An external URL that was made from the domain and the port is made anew.
    """
    url = external_url or ("" if config.external_url == config.usual_url else config.external_url)
    return msgspec.structs.replace(
        config,
        roles=tuple(roles) or config.roles,
        external_url=url,
        listen=_with(
            config.listen,
            address=address,
            dns_port=dns_port,
            https_port=https_port,
            http_port=http_port,
            dot_port=dot_port,
            doh_port=doh_port,
            certificate=certificate,
            key=key,
        ),
        acmedns=_with(config.acmedns, plain_http=plain_http),
        validation=_with(config.validation, resolver=resolver),
        store=_with(config.store, database=database),
    )


def _with(table: _Table, **said: object) -> _Table:
    return msgspec.structs.replace(table, **{key: value for key, value in said.items() if value is not None})


def masked(config: Config) -> Config:
    """Return the settings as they may be shown: without the password of the database, and what hooks' URLs keep."""
    store = msgspec.structs.replace(config.store, database=without_password(config.store.database))
    hooks = {name: msgspec.structs.replace(one, url=one.host) for name, one in config.hooks.items()}
    return msgspec.structs.replace(config, store=store, hooks=hooks)
