"""Networks, and the words that stand for some of them in the settings."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network

__all__ = ["ANY", "LOOPBACK", "Network", "PRIVATE_NETWORKS", "networks"]

Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

PRIVATE_NETWORKS: tuple[Network, ...] = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
"""Loopback and the ranges that no public network routes (RFC 1918, RFC 6598, RFC 4193).

Shared address space (100.64/10) is here because overlay networks number their hosts from it. Link-local addresses
are not: the same one means another host on every link.
"""

_LINK_LOCAL: tuple[Network, ...] = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))
"""Who has such an address is on a link of ours (RFC 3927, RFC 4291), and is as near as a private network."""

ANY: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

_WORDS = {"any": ANY, "private": (*PRIVATE_NETWORKS, *_LINK_LOCAL)}
_MAPPED = IPv6Network("::ffff:0:0/96")


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks such as `10.1.0.0/16`, addresses, `any` and `private`; raises ValueError.

    IPv4 inside IPv6 (RFC 4291 section 2.5.5.2) is IPv4, as the addresses of clients are.
    """
    return tuple(one for text in texts for one in _WORDS.get(text) or (_network(text),))


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f'{error}; write a network as in "10.1.0.0/16", or "private" or "any"') from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.subnet_of(_MAPPED):
        return IPv4Network((network.network_address.packed[12:], network.prefixlen - 96))
    return network
