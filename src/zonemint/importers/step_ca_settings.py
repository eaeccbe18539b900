"""What the settings of step-ca are here: a `Config`, where each line comes from, and what has no place in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from zonemint.config import Acme, Config, Listen, Seconds, SettingError, Store, Validation
from zonemint.config.ca import Ca
from zonemint.config.enrollment import Enrollment
from zonemint.config.profiles import BUILT_IN, LONGEST_LIFETIME, Profile
from zonemint.config.provisioners import FIRST, Provisioner
from zonemint.core.errors import BadName, ConfigError, ForeignDataError
from zonemint.core.hosts import is_address
from zonemint.core.names import hostname, is_within, parent
from zonemint.core.patterns import spelled
from zonemint.core.text import shown
from zonemint.importers.findings import Mapped, Refused
from zonemint.importers.step_ca import Claims, Names, StepCa, seconds
from zonemint.importers.step_ca import Provisioner as Foreign
from zonemint.pki.policy import Policy

__all__ = ["Settings", "settings"]

_DEFAULT = 86400  # seconds that a certificate lives where no claim says it
_CHALLENGES = ("http-01", "dns-01", "tls-alpn-01")
_SUBJECT = {"country": "C", "province": "ST", "locality": "L", "organization": "O", "organizationalUnit": "OU"}
_ALSO = ("serverAuth", "clientAuth")  # what the certificates of step-ca serve for


class Settings(NamedTuple):
    """`config` is what a new folder is to have; `acme` are the provisioners that came, `tokens` who makes tokens."""

    config: Config
    acme: tuple[str, ...]
    tokens: tuple[Foreign, ...]
    mapped: tuple[Mapped, ...]
    refused: tuple[Refused, ...]


def settings(found: StepCa, *, domains: Sequence[str], database: str, password_file: str) -> Settings:
    """Find our settings; `domains` are those that a person chose, none to take what lies above the CA's own name.

    Raises ForeignDataError on one line where a person has to decide, or where step-ca's file is wrong.
    """
    return _Translation(found, tuple(domains)).made(database, password_file)


class _Translation:
    """Collects what is told on the way."""

    def __init__(self, found: StepCa, domains: tuple[str, ...]) -> None:
        self._found = found
        self._mapped: list[Mapped] = []
        self._refused: list[Refused] = []
        self._host, self._port = self._place()
        self._domains = domains or (self._guessed(),)
        kind = "ip" if is_address(self._host) else "dns"
        if refusal := Policy(self._domains).refusal(kind, self._host):
            raise ForeignDataError(f"{found.file}: dnsNames: {refusal}: choose the domains with --domain")

    def made(self, database: str, password_file: str) -> Settings:
        """Translate everything."""
        listen = self._listen()
        profile = self._profile(self._found.claims)
        profiles = {"default": profile}
        provisioners: dict[str, Provisioner] = {}
        identities: list[str] = []
        tokens: list[Foreign] = []
        for one in self._found.provisioners:
            what = f"provisioner {shown(one.name, 64)} ({shown(one.type, 20)})"
            if why := self._objection(one):
                self._refused.append(Refused(what, why))
                continue
            if one.type.upper() == "JWK":
                tokens.append(one)
                continue
            own = self._profile(one.claims)
            name = "default" if own == profile else f"{one.name}-own" if one.name in BUILT_IN else one.name
            profiles[name] = own
            provisioners[one.name] = self._provisioner(one, name)
            identities += one.caa_identities
        acme = tuple(provisioners)
        of_tokens = self._profile_of_tokens(tokens, profiles)
        if FIRST not in provisioners:
            provisioners[FIRST] = Provisioner(profiles=("default",), external_account_required=True)
            self._tell(
                "no ACME provisioner 'acme'", "provisioners.acme.external_account_required = true", "it stays closed"
            )
        self._tell_rest()
        try:
            config = Config(
                self._domains[0],
                extra_domains=self._domains[1:],
                external_url=f"https://{self._bracketed()}{self._port}",
                roles=("ca",),
                listen=listen,
                store=Store(database=database),
                ca=Ca(password_file=password_file),
                acme=Acme(caa_identities=tuple(dict.fromkeys(identities))),
                validation=Validation(resolver="system"),
                enrollment=Enrollment(profile=of_tokens),
                profiles=profiles,
                provisioners=provisioners,
            )
        except ConfigError as error:
            raise ForeignDataError(f"{self._found.file}: its settings are none that we can have: {error}") from None
        return Settings(config, acme, tuple(tokens), tuple(self._mapped), tuple(self._refused))

    def _tell(self, theirs: str, ours: str = "", note: str = "") -> None:
        self._mapped.append(Mapped(theirs, ours, note))

    def _place(self) -> tuple[str, str]:
        """Return the host, and `:port` unless that is 443, where clients find the CA."""
        names = [one.lower() for one in self._found.names]
        if not names:
            raise ForeignDataError(f"{self._found.file}: dnsNames is empty: the CA has no name")
        host, port = names[0], _split(self._found.address, self._found.file.as_posix())[1]
        try:
            told = urlsplit(self._found.url)
            if told.hostname in names:
                host, port = told.hostname, told.port or 443
        except ValueError:
            pass
        written = "" if port in (0, 443) else f":{port}"
        self._tell(
            f"dnsNames = {', '.join(shown(one, 64) for one in names)}",
            f'external_url = "https://{host}{written}"',
            "every URL is at this name: clients that use another one have to change it" if len(names) > 1 else "",
        )
        return host, written

    def _guessed(self) -> str:
        """Return what lies above the CA's name, if that is clearly a domain."""
        above = "" if is_address(self._host) else parent(self._host)
        try:
            if "." in above:
                return hostname(above)
        except BadName:
            pass
        raise ForeignDataError(
            f"{self._found.file}: dnsNames: '{shown(self._host)}' does not tell which domain the CA is for: "
            "say it with --domain, and repeat that for more"
        )

    def _bracketed(self) -> str:
        return f"[{self._host}]" if ":" in self._host else self._host

    def _listen(self) -> Listen:
        host, port = _split(self._found.address, self._found.file.as_posix())
        self._tell(
            f"address = {shown(self._found.address, 64)}", f'listen.address = "{host}"; listen.https_port = {port}'
        )
        plain = 80
        if self._found.insecure_address:
            plain = _split(self._found.insecure_address, self._found.file.as_posix())[1]
            self._tell(f"insecureAddress = {shown(self._found.insecure_address, 64)}", f"listen.http_port = {plain}")
        try:
            return Listen(address=host, https_port=port, http_port=plain)
        except SettingError as error:
            raise ForeignDataError(f"{self._found.file}: address: {error.said}") from None

    def _profile(self, claims: Claims) -> Profile:
        """Return the profile of a provisioner's certificates, or of those whose provisioner says nothing."""
        written = claims.default or self._found.claims.default
        lifetime = min(seconds(written) if written else _DEFAULT, int(LONGEST_LIFETIME))
        subject = {
            ours: self._found.subject[theirs][:64]
            for theirs, ours in _SUBJECT.items()
            if self._found.subject.get(theirs)
        }
        # No certificate of step-ca points anywhere; ours may where the name of the pointers is that of the CA.
        pointers = ("crl", "issuer") if self._host == f"ca.{self._domains[0]}" else ()
        backdate = min(max(seconds(self._found.backdate), 1), max(lifetime // 2, 1))
        try:
            return Profile(
                lifetime=Seconds(lifetime),
                backdate=Seconds(backdate),
                extended_key_usages=_ALSO,
                subject=subject,
                pointers=pointers,
            )
        except SettingError as error:
            raise ForeignDataError(f"{self._found.file}: authority.template: {error.said}") from None

    def _objection(self, one: Foreign) -> str | None:
        """Return why a provisioner does not come, or None."""
        if one.type.upper() not in ("ACME", "JWK"):
            return "there is nothing like it here: give its machines ACME, or one-time tokens"
        if one.options.webhooks:
            return "it asks webhooks before it signs, which is not done here, and without them it would sign more"
        if one.type.upper() == "JWK":
            return None
        try:
            Config("lab.test", provisioners={one.name: Provisioner()})
        except SettingError as error:
            return error.said
        if one.challenges and not self._offered(one):
            return f"none of its challenges is offered here: {', '.join(shown(each, 40) for each in one.challenges)}"
        return None

    def _profile_of_tokens(self, tokens: Sequence[Foreign], profiles: dict[str, Profile]) -> str:
        """Return the name of the profile of certificates for tokens, made where the default is another."""
        own = [self._profile(one.claims) for one in tokens]
        name = "default" if not own or own[0] == profiles["default"] else "tokens"
        if own:
            profiles.setdefault(name, own[0])
        for one, wanted in zip(tokens, own, strict=True):
            note = "its tokens, made with its password, go on"
            if wanted != own[0]:
                note += f"; its certificates live as long as those of {tokens[0].name}"
            if one.options.x509.template or one.options.x509.template_file:
                note += "; its template is not here"
            if one.claims.disables_renewal or one.claims.renews_after_expiry:
                note += "; what it issued may be renewed with itself until its end"
            self._tell(f"provisioner {shown(one.name, 64)} (JWK)", f'enrollment.profile = "{name}"', note)
        return name

    def _offered(self, one: Foreign) -> tuple[str, ...]:
        return tuple(each for each in _CHALLENGES if each in [word.lower() for word in one.challenges])

    def _provisioner(self, one: Foreign, profile: str) -> Provisioner:
        """Return the table of an ACME provisioner, and tell what it has."""
        name, above = f"provisioners.{one.name}", self._found.claims
        self._tell(
            f"provisioner {one.name} (ACME)", f'{name}.profiles = ["{profile}"]', f"at /acme/{one.name}/directory"
        )
        longest, default = (one.claims.longest or above.longest), (one.claims.default or above.default)
        if longest and seconds(longest) > (seconds(default) if default else _DEFAULT):
            note = "an order for longer than the default is refused; a profile of that lifetime may be added"
            self._tell(f"{one.name}: maxTLSCertDuration = {longest}", "", note)
        offered = self._offered(one) if one.challenges else _CHALLENGES
        if len(offered) < len(one.challenges):
            self._tell(
                f"{one.name}: challenges = {', '.join(one.challenges)}", "", f"only {', '.join(offered)} are here"
            )
        if one.requires_external_account:
            note = "its keys do not come: make new ones with `zonemint eab create`; accounts that came need none"
            self._tell(f"{one.name}: requireEAB", f"{name}.external_account_required = true", note)
        if one.options.x509.template or one.options.x509.template_file:
            self._tell(
                f"{one.name}: options.x509.template",
                "",
                "templates are not here: profiles say what is in a certificate",
            )
        if one.claims.disables_renewal:
            self._tell(f"{one.name}: disableRenewal", "", "what ACME issued is renewed by ACME alone")
        try:
            policy = self._patterns()
            return Provisioner(
                profiles=(profile,),
                allow=policy[0],
                deny=policy[1],
                wildcards=self._found.policy is None or self._found.policy.wildcards,
                challenges=offered,
                external_account_required=one.requires_external_account,
                terms=one.terms,
                website=one.website,
            )
        except SettingError as error:
            raise ForeignDataError(f"{self._found.file}: provisioner {one.name}: {error}") from None

    def _patterns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the policy of the whole CA allows and denies; raises ForeignDataError."""
        policy = self._found.policy
        if policy is None:
            return (), ()
        allow, deny = tuple(self._written(policy.allow, "allow")), tuple(self._written(policy.deny, "deny"))
        for one in (*allow, *deny):
            name = one.removeprefix("*.")
            if "/" not in one and name != "localhost" and not any(is_within(name, domain) for domain in self._domains):
                raise ForeignDataError(
                    f"{self._found.file}: authority.policy: {shown(one)} lies outside {', '.join(self._domains)}: "
                    "repeat --domain for each domain that the CA is for"
                )
        if not allow and any(msgspec.structs.astuple(policy.allow)):
            raise ForeignDataError(
                f"{self._found.file}: authority.policy.x509.allow has neither DNS names "
                "nor addresses, so it issued for none"
            )
        return allow, deny

    def _written(self, names: Names, half: str) -> Iterator[str]:
        try:
            yield from (spelled(one) for one in (*names.dns, *names.ip))
        except BadName as error:
            raise ForeignDataError(f"{self._found.file}: authority.policy.x509.{half}: {error}") from None

    def _tell_rest(self) -> None:
        """Tell of what is for all provisioners."""
        if self._found.policy is not None:
            allow, deny = self._patterns()
            wide = any(one.startswith("*.") for one in allow)
            note = (
                "*.NAME is every name below here, and was those just below; tokens are not held to it" if wide else ""
            )
            self._tell(
                "authority.policy.x509", f"allow and deny of each provisioner: {len(allow)} and {len(deny)}", note
            )
            other = self._found.policy.allow.email + self._found.policy.allow.uri
            if other:
                self._refused.append(
                    Refused("policy for mail addresses and URIs", "no certificates for them are made here")
                )
        self._tell(
            "names", f"domain: {', '.join(self._domains)}", "nothing is issued for names outside, nor public addresses"
        )
        self._tell(
            "no DNS server", 'roles = ["ca"]; validation.resolver = "system"', "it may serve the domain, too: roles"
        )
        if self._host != f"ca.{self._domains[0]}":
            self._tell(
                "no CRL in certificates",
                "profiles.default.pointers = []",
                f"set it to crl, issuer where http://ca.{self._domains[0]} leads to this server",
            )
        if self._found.has_ssh:
            self._refused.append(Refused("SSH certificates", "there are none here: leave step-ca running for them"))


def _split(address: str, file: str) -> tuple[str, int]:
    """Read an address to listen on as Go writes it: `:443`, `127.0.0.1:9000`, `[::1]:443`."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - what it means there
    if not port.isdecimal() or len(port) > 5:
        raise ForeignDataError(f"{file}: '{shown(address, 64)}' is no address with a port, such as :443")
    return "127.0.0.1" if host == "localhost" else host, int(port)
