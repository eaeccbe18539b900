"""The tree of settings, with every default, limit and meaning in one place."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from zonemint.config.ca import Ca
from zonemint.config.enrollment import Enrollment
from zonemint.config.hooks import Hook
from zonemint.config.issuance import Issuance
from zonemint.config.limits import Limits
from zonemint.config.profiles import BUILT_IN, LONGEST_LIFETIME, Profile
from zonemint.config.provisioners import FIRST, Provisioner
from zonemint.config.resolvers import Asked, check_asked
from zonemint.config.values import Seconds, SettingError, check, database, endpoint, origin
from zonemint.core.names import hostname, is_within, normalize
from zonemint.core.text import shown, without_password

__all__ = ["Acme", "AcmeDns", "Config", "Dns", "Listen", "Store", "Validation", "advertised", "masked", "override"]

_Table = TypeVar("_Table", bound=msgspec.Struct)
_ROLES = ("ca", "dns", "acmedns")
_REGISTRATION = ("private", "open", "token", "closed")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # TOML's bare keys; a segment of URLs
_SITE = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:]+\](?::[0-9]{1,5})?")
_CAA_SCOPES = ("off", "zone", "tree")
_CHALLENGES = ("dns-01", "http-01", "tls-alpn-01")
_IDENTITIES = 10  # draft-ietf-acme-dns-persist, section 3.1
_DRAFTS = ("dns-account-01", "dns-persist-01")  # offered where the settings name them
_LONGEST_VALIDATION = 30.0
_LONGEST_NAME = 64 - len(" Intermediate CA")  # RFC 5280 appendix A: ub-common-name


def _check_origins(key: str, origins: Sequence[str]) -> None:
    for site in origins:
        if site != "*" and not _SITE.fullmatch(site):
            raise SettingError(key, f"'{site}' is not an origin, such as https://www.lab.test")


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the servers listen; port 0 lets the system pick a free one."""

    address: Annotated[str, Meta(description="The address to listen on: 0.0.0.0 and :: are every address.")] = "0.0.0.0"  # noqa: S104
    advertise: Annotated[
        str, Meta(description="The address in the records of ns1, ca and auth; empty: found by itself.")
    ] = ""
    dns_port: Annotated[int, Meta(description="DNS, UDP and TCP.")] = 53
    https_port: Annotated[int, Meta(description="ACME and the acme-dns API.")] = 443
    http_port: Annotated[int, Meta(description="What must not need TLS: roots, CRL, readiness, metrics.")] = 80
    certificate: Annotated[
        str,
        Meta(description="The HTTPS listener's chain, PEM, read again when it changes; empty: our own CA's."),
    ] = ""
    key: Annotated[str, Meta(description="The file of that certificate's private key, PEM.")] = ""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise SettingError(f"listen.{'key' if self.key else 'certificate'}", "certificate and key are set together")
        check("listen.address", self.address, ipaddress.ip_address)
        if self.advertise and check("listen.advertise", self.advertise, ipaddress.ip_address).is_unspecified:
            raise SettingError("listen.advertise", f"'{self.advertise}' is no address that a client can reach")
        for key in ("dns_port", "https_port", "http_port"):
            if not 0 <= (port := getattr(self, key)) <= 65535:
                raise SettingError(f"listen.{key}", f"{port} is not a port: 0 to 65535 are")


class Dns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long resolvers may keep our answers."""

    ttl: Annotated[Seconds, Meta(description="Time to live of records that no zone file gives one.")] = Seconds(300)
    negative_ttl: Annotated[
        Seconds, Meta(description="Time to live of 'no such name' and 'no such data' (RFC 2308).")
    ] = Seconds(60)


class Acme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the objects of the ACME server live (RFC 8555 section 7.1)."""

    order_lifetime: Annotated[Seconds, Meta(description="From a new order to its expiry.")] = Seconds(86400)
    authorization_lifetime: Annotated[
        Seconds, Meta(description="How long a validated authorization holds, to finalize and to revoke.")
    ] = Seconds(86400)
    certificate_lifetime: Annotated[
        Seconds, Meta(description="Certificates of profiles that do not say how long theirs live.")
    ] = Seconds(90 * 86400)
    challenges: Annotated[
        tuple[str, ...], Meta(description="The challenges that are offered, in the order in which clients see them.")
    ] = _CHALLENGES
    subdomains: Annotated[
        bool, Meta(description="Whether an order may have a name proved by a domain above it (RFC 9444).")
    ] = False
    authorization_reuse: Annotated[
        bool, Meta(description="Whether an account's later orders take what it proved over, as long as that holds.")
    ] = False
    origins: Annotated[
        tuple[str, ...], Meta(description="Web sites whose scripts may use ACME from a browser (CORS).")
    ] = ()
    caa_identities: Annotated[
        tuple[str, ...], Meta(description="The names that mean this CA in CAA records; empty: ca.DOMAIN.")
    ] = ()
    caa: Annotated[
        dict[str, str],
        Meta(description='Zones and how far up CAA counts: "off", "zone" (up to that zone) or "tree" (to the top).'),
    ] = {}

    def __post_init__(self) -> None:
        _check_origins("acme.origins", self.origins)
        names = tuple(check("acme.caa_identities", one, hostname) for one in self.caa_identities)
        if len(names) > _IDENTITIES:
            raise SettingError("acme.caa_identities", f"{len(names)} names are too many: {_IDENTITIES} are allowed")
        msgspec.structs.force_setattr(self, "caa_identities", names)
        for zone, scope in self.caa.items():
            if check("acme.caa", zone, normalize) != zone or scope not in _CAA_SCOPES:
                words = ", ".join(f'"{one}"' for one in _CAA_SCOPES)
                raise SettingError("acme.caa", f"write {zone.lower().rstrip('.')} = one of {words}")
        if not self.challenges:
            raise SettingError("acme.challenges", "it must name at least one challenge, and each once")
        _check_challenges("acme.challenges", self.challenges)


def _check_challenges(key: str, types: Sequence[str]) -> None:
    if len(set(types)) < len(types):
        raise SettingError(key, "it must name at least one challenge, and each once")
    if unknown := next((one for one in types if one not in _CHALLENGES + _DRAFTS), None):
        words = ", ".join(_CHALLENGES + _DRAFTS)
        raise SettingError(key, f"there is no '{unknown}': it is a list of {words}")


class Validation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How challenges are checked; all attempts together stay below 30 seconds."""

    resolver: Annotated[
        Asked,
        Meta(
            description='Whom to ask for names in no zone of ours: a server, as "10.0.0.1:53" or "[::1]:53", a list of '
            'them, "system" or "authoritative"; empty: the system\'s.'
        ),
    ] = ""
    resolvers: Annotated[
        dict[str, Asked],
        Meta(description="The same for zones; the longest one that a name lies in counts, before our own."),
    ] = {}
    root_servers: Annotated[
        tuple[str, ...],
        Meta(description='Where "authoritative" begins, all servers below at the same port; empty: the internet\'s.'),
    ] = ()
    attempts: Annotated[int, Meta(ge=1, le=20, description="How often a challenge is tried before it fails.")] = 5
    interval: Annotated[Seconds, Meta(description="The pause between two attempts.")] = Seconds(2)
    timeout: Annotated[Seconds, Meta(description="The wait for one answer.")] = Seconds(2)
    http_port: Annotated[int, Meta(ge=1, le=65535, description="The port of http-01.")] = 80
    https_port: Annotated[
        int, Meta(ge=1, le=65535, description="The port of tls-alpn-01, and of redirects of http-01 to https.")
    ] = 443
    allow: Annotated[
        tuple[str, ...], Meta(description="Networks to connect to that are closed otherwise, such as loopback.")
    ] = ()
    deny: Annotated[tuple[str, ...], Meta(description="Networks that are never connected to.")] = ()

    def __post_init__(self) -> None:
        check_asked("validation.resolver", self.resolver)
        for zone, asked in self.resolvers.items():
            check_asked("validation.resolvers", asked)
            if check("validation.resolvers", zone, normalize) != zone or not asked:
                raise SettingError("validation.resolvers", f"write {zone.lower().rstrip('.')} = a server or a word")
        for server in self.root_servers:
            check("validation.root_servers", server, endpoint)
        for key in ("allow", "deny"):
            for network in getattr(self, key):
                check(f"validation.{key}", network, ipaddress.ip_network)
        if (longest := self.attempts * (self.timeout + self.interval)) > _LONGEST_VALIDATION:
            raise SettingError(
                "validation.attempts",
                f"{self.attempts} attempts of {self.timeout} with pauses of {self.interval} may take {longest:.0f} s; "
                f"at most {_LONGEST_VALIDATION:.0f} s are allowed",
            )

    @property
    def attempt_limit(self) -> float:
        """The seconds that one attempt may take, so that all of them stay within the bound."""
        return _LONGEST_VALIDATION / self.attempts - self.interval


class AcmeDns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acme-dns API."""

    registration: Annotated[
        str | tuple[str, ...],
        Meta(
            description="Who may register: private (loopback and private addresses), open, token, closed, or networks."
        ),
    ] = "private"
    registrations_per_minute: Annotated[
        int, Meta(ge=0, description="Calls of /register that one address may make in a minute; 0: no limit.")
    ] = 120
    updates_per_minute: Annotated[
        int, Meta(ge=0, description="Calls of /update that one address may make in a minute; 0: no limit.")
    ] = 12000
    extra_zones: Annotated[
        tuple[str, ...], Meta(description="More auth zones; who registers at such a host gets a name in it.")
    ] = ()
    tell_server_url: Annotated[
        bool, Meta(description="Whether the reply to /register has the API's URL as a sixth member.")
    ] = False
    origins: Annotated[
        tuple[str, ...], Meta(description="Web sites whose scripts may call the API from a browser (CORS).")
    ] = ()
    plain_http: Annotated[
        bool, Meta(description="Whether the API is on the HTTP port, too, without TLS: for inside a cluster.")
    ] = False
    values: Annotated[int, Meta(ge=2, le=100, description="TXT values kept for each account.")] = 10
    value_lifetime: Annotated[Seconds, Meta(description="How long a TXT value is served.")] = Seconds(86400)
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks of the proxies whose X-Forwarded-For is believed.")
    ] = ()

    def __post_init__(self) -> None:
        if isinstance(self.registration, str):
            if self.registration not in _REGISTRATION:
                words = ", ".join(_REGISTRATION)
                raise SettingError("acmedns.registration", f"it must be one of {words}, or a list of networks")
        else:
            for network in self.registration:
                check("acmedns.registration", network, ipaddress.ip_network)
        for network in self.trusted_proxies:
            check("acmedns.trusted_proxies", network, ipaddress.ip_network)
        zones = tuple(check("acmedns.extra_zones", name, hostname) for name in self.extra_zones)
        msgspec.structs.force_setattr(self, "extra_zones", zones)
        _check_origins("acmedns.origins", self.origins)


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where everything is kept that a client was told of, and how long when it is over."""

    database: Annotated[
        str,
        Meta(description="A PostgreSQL database, as postgresql://USER@HOST/NAME; empty: zonemint.db in this folder."),
    ] = ""
    keep_orders: Annotated[
        Seconds, Meta(description="Orders that came to nothing, with their stories, after their expiry.")
    ] = Seconds(30 * 86400)
    keep_certificates: Annotated[
        Seconds, Meta(description="Certificates, with their orders and stories, after their end.")
    ] = Seconds(90 * 86400)

    def __post_init__(self) -> None:
        if self.database:
            check("store.database", self.database, database)
        # A client must learn how its order ended, and a revocation list counts on the store for its whole life.
        for key, least in (("keep_orders", Seconds(3600)), ("keep_certificates", Seconds(7 * 86400))):
            if (kept := getattr(self, key)) < least:
                raise SettingError(f"store.{key}", f"{kept} is too short: at least {least} is needed")


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
        return "ca" in self.roles or ("acmedns" in self.roles and bool(self.listen.certificate))

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
            _check_challenges(f"provisioners.{name}.challenges", one.challenges)
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
        if "ca" in self.roles and not asked:
            raise SettingError("validation.resolver", "no DNS server for the domains runs here: name the one to ask")
        if "acmedns" in self.roles and not self.has_https and not self.acmedns.plain_http:
            raise SettingError(
                "listen.certificate",
                "no CA runs here that could issue for the acme-dns API: bring a certificate and its key, "
                "or set acmedns.plain_http",
            )

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


def advertised(listen: Listen) -> str:
    """Return the address that clients can reach us at, which the records of `ns1`, `ca` and `auth` carry.

    Without a setting it is the listening address, or the machine's own one on its way out when we listen on
    every address (no packet is sent to find it; loopback when there is no way out).
    """
    if listen.advertise:
        return listen.advertise
    address = ipaddress.ip_address(listen.address)
    if not address.is_unspecified:
        return listen.address
    family, far, loopback = (
        (socket.AF_INET, "192.0.2.1", "127.0.0.1") if address.version == 4 else (socket.AF_INET6, "2001:db8::1", "::1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))
            return str(probe.getsockname()[0])
    except OSError:
        return loopback
