"""The challenge methods that the settings turn on, each with what it needs to ask."""

from __future__ import annotations

from zonemint.config import Config
from zonemint.validation import dns01
from zonemint.validation.method import Method
from zonemint.validation.resolver import Resolver

__all__ = ["challenge_methods"]


def challenge_methods(config: Config, resolver: Resolver) -> dict[str, Method]:
    """Return the methods by their type, in the order of `acme.challenges`."""
    known = (dns01.method(resolver),)
    by_type = {method.type: method for method in known}
    return {type_: by_type[type_] for type_ in config.acme.challenges}
