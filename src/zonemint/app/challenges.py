"""What the settings ask for before a certificate: challenge methods and CAA, each with what it needs to ask."""

from __future__ import annotations

from ipaddress import ip_network

from zonemint.config import Config
from zonemint.core.clock import Clock
from zonemint.core.names import is_within
from zonemint.validation import dns01, dnsaccount01, dnspersist01, http01, tlsalpn01
from zonemint.validation.caa import Caa, Scope
from zonemint.validation.fence import Fence
from zonemint.validation.method import Method
from zonemint.validation.reach import Reach
from zonemint.validation.resolver import Resolver

__all__ = ["caa", "challenge_methods", "identities"]


def challenge_methods(config: Config, resolver: Resolver, clock: Clock) -> dict[str, Method]:
    """Return every method by its type; provisioners choose of them."""
    settings = config.validation
    fence = Fence(tuple(map(ip_network, settings.allow)), tuple(map(ip_network, settings.deny)))
    reach = Reach(resolver, fence, clock, float(settings.timeout))
    known = (
        dns01.method(resolver),
        http01.method(reach, settings.http_port, settings.https_port),
        tlsalpn01.method(reach, settings.https_port),
        dnsaccount01.method(resolver),
        dnspersist01.method(resolver, identities(config), lambda name: _top(config, name), clock),
    )
    return {method.type: method for method in known}


def identities(config: Config) -> tuple[str, ...]:
    """Return the names that mean this CA in CAA records."""
    return config.acme.caa_identities or (f"ca.{config.domain}",)


def caa(config: Config, resolver: Resolver) -> Caa:
    """Return the look at CAA: for our own domains it ends where they do, since what lies above is not theirs."""
    zones = dict.fromkeys((_top(config, one) for one in config.domains), Scope.ZONE)
    zones |= {zone: Scope(word) for zone, word in config.acme.caa.items()}
    return Caa(resolver, identities(config), zones)


def _top(config: Config, name: str) -> str:
    """Return the highest of our domains that a name lies in, else the name."""
    return min((one for one in config.domains if is_within(name, one)), key=len, default=name)
