"""Names that a domain above them is proved for (RFC 9444): what an order's authorizations are for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from zonemint.acme.context import Provisioner
from zonemint.core.errors import AcmeError, AcmeErrorType, BadName
from zonemint.core.names import hostname, is_within
from zonemint.core.text import shown
from zonemint.store.orders import Identifier
from zonemint.validation.method import Method, offered

__all__ = ["Target", "methods", "targets"]


class Target(NamedTuple):
    """What an authorization is for; `subdomains` tells that it is a domain whose names below rest on it, too."""

    identifier: Identifier
    subdomains: bool = False


def targets(
    provisioner: Provisioner, identifiers: Iterable[Identifier], above: Mapping[Identifier, str]
) -> list[Target]:
    """Return what is to be proved for an order's checked identifiers, each once; raises AcmeError.

    `above` has the `ancestorDomain` of those that have one (section 4.2). Where the settings do not have it, it counts
    for nothing, as every member that a server does not know.
    """
    if not provisioner.subdomains:
        return [Target(one) for one in identifiers]
    return list(dict.fromkeys(_target(provisioner, one, above.get(one)) for one in identifiers))


def methods(provisioner: Provisioner, target: Target) -> list[Method]:
    """Return what proves a target: a domain with the names below it, as a wildcard, only what looks into the DNS."""
    identifier = target.identifier
    wildcard = target.subdomains or identifier.value.startswith("*.")
    return offered(provisioner.methods.values(), identifier.type, wildcard=wildcard)


def _target(provisioner: Provisioner, identifier: Identifier, ancestor: str | None) -> Target:
    if ancestor is None:
        return Target(identifier)
    try:
        domain = hostname(ancestor)
    except BadName as error:
        raise AcmeError(AcmeErrorType.MALFORMED, f"ancestorDomain: {error}") from None
    name = identifier.value
    if identifier.type != "dns" or domain == name or not is_within(name.removeprefix("*."), domain):
        raise AcmeError(AcmeErrorType.MALFORMED, f"{domain} is no ancestorDomain of {shown(name)}")
    found = Target(Identifier("dns", domain), subdomains=True)
    refusal = provisioner.policy.refusal("dns", domain)
    if refusal is None and not methods(provisioner, found):
        refusal = f"{domain} is refused: no challenge that this server offers proves control of all below it"
    if refusal is not None:
        problem = AcmeError(AcmeErrorType.REJECTED_IDENTIFIER, f"the ancestorDomain of {name}: {refusal}")
        wanted = msgspec.structs.asdict(identifier)
        raise AcmeError(problem.type, problem.detail, subproblems=[(wanted, problem)])
    return found
