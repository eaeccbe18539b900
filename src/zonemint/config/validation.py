"""How challenges are checked: whom to ask, how often, how long, and where to connect to."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.resolvers import Asked, check_asked
from zonemint.config.values import Seconds, SettingError, check, endpoint
from zonemint.core.names import normalize

__all__ = ["Validation"]

_LONGEST = 30.0  # seconds, all attempts together


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
        if (longest := self.attempts * (self.timeout + self.interval)) > _LONGEST:
            raise SettingError(
                "validation.attempts",
                f"{self.attempts} attempts of {self.timeout} with pauses of {self.interval} may take {longest:.0f} s; "
                f"at most {_LONGEST:.0f} s are allowed",
            )

    @property
    def attempt_limit(self) -> float:
        """The seconds that one attempt may take, so that all of them stay within the bound."""
        return _LONGEST / self.attempts - self.interval
