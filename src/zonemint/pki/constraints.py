"""The name constraints of an intermediate: what it may vouch for, whoever holds its key."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from zonemint.core.names import is_within
from zonemint.core.networks import PRIVATE_NETWORKS

__all__ = ["build", "permitted_domains", "refused"]


def build(domains: Sequence[str]) -> x509.NameConstraints:
    """Permit the domains with all names below them, `localhost` and the private networks (RFC 5280 section 4.2.1.10).

    Mail addresses and URIs are held to the domains themselves, since a name type without any subtree is free.
    GnuTLS does not look at URIs; the key usages of the intermediate limit what they could serve for.
    """
    hosts: list[x509.GeneralName] = [x509.DNSName(name) for name in (*domains, "localhost")]
    networks: list[x509.GeneralName] = [x509.IPAddress(network) for network in PRIVATE_NETWORKS]
    mail: list[x509.GeneralName] = [x509.RFC822Name(name) for name in domains]
    uris: list[x509.GeneralName] = [x509.UniformResourceIdentifier(name) for name in domains]
    return x509.NameConstraints(permitted_subtrees=[*hosts, *networks, *mail, *uris], excluded_subtrees=None)


def refused(certificate: x509.Certificate, domains: Sequence[str]) -> list[str]:
    """Return which domains the name constraints of a CA certificate do not permit with all names below them."""
    try:
        value = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    permitted, excluded = _subtrees(value.permitted_subtrees), _subtrees(value.excluded_subtrees)
    return [
        one
        for one in domains
        if (permitted and not any(is_within(one, tree) for tree in permitted))
        or any(is_within(one, tree) or is_within(tree, one) for tree in excluded)
    ]


def _subtrees(trees: Sequence[x509.GeneralName] | None) -> list[str]:
    """Return the DNS names among subtrees, where some write a dot before the name, which RFC 5280 does not have."""
    return [tree.value.removeprefix(".").lower() for tree in trees or () if isinstance(tree, x509.DNSName)]


def permitted_domains(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS subtrees that a CA certificate permits, in its order; none when it is not constrained."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(tree.value for tree in constraints.permitted_subtrees or () if isinstance(tree, x509.DNSName))
