"""Hosts as they are named: by a DNS name, perhaps a wildcard, or by an address."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from zonemint.core.names import hostname

__all__ = ["address_of", "is_address", "parted", "with_wildcard"]


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def address_of(source: str) -> IPv4Address | IPv6Address | None:
    """Return a client's address, an IPv4 one as such even if it came over IPv6; None for another word of a proxy."""
    try:
        address = ip_address(source)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parted(hosts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the addresses among hosts, each in their order."""
    hosts = tuple(hosts)
    return tuple(one for one in hosts if not is_address(one)), tuple(one for one in hosts if is_address(one))


def with_wildcard(text: str) -> str:
    """Return a host name as `names.hostname` does, before which `*.` may stand; raises BadName."""
    wildcard = "*." if text.startswith("*.") else ""
    return wildcard + hostname(text.removeprefix("*."))
