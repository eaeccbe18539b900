"""The challenge methods that the settings turn on, each with what it needs to ask."""

from __future__ import annotations

from ipaddress import ip_network

from zonemint.config import Config
from zonemint.core.clock import Clock
from zonemint.validation import dns01, http01, tlsalpn01
from zonemint.validation.fence import Fence
from zonemint.validation.method import Method
from zonemint.validation.reach import Reach
from zonemint.validation.resolver import Resolver

__all__ = ["challenge_methods"]


def challenge_methods(config: Config, resolver: Resolver, clock: Clock) -> dict[str, Method]:
    """Return the methods by their type, in the order of `acme.challenges`."""
    settings = config.validation
    fence = Fence(tuple(map(ip_network, settings.allow)), tuple(map(ip_network, settings.deny)))
    reach = Reach(resolver, fence, clock, float(settings.timeout))
    known = (
        dns01.method(resolver),
        http01.method(reach, settings.http_port, settings.https_port),
        tlsalpn01.method(reach, settings.https_port),
    )
    by_type = {method.type: method for method in known}
    return {type_: by_type[type_] for type_ in config.acme.challenges}
