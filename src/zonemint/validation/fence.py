"""Which addresses validation may connect to: a client chooses the names, and must not reach through us what it cannot.

Private addresses are what a private CA is for. What no other host can mean is not: loopback and link-local addresses,
those of many hosts or of none, and where clouds give a machine its credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

__all__ = ["Address", "Fence", "Network", "unwrapped"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (kind, tuple(map(ip_network, networks)))
    for kind, networks in (
        ("a loopback address", ("127.0.0.0/8", "::1/128")),
        # Those that are not link-local, of Alibaba, Oracle, AWS and Google.
        ("a metadata address", ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::/64", "fd20:ce::/64")),
        ("a link-local address", ("169.254.0.0/16", "fe80::/10", "fec0::/10")),
        ("a multicast address", ("224.0.0.0/4", "ff00::/8")),
        ("an address of no host", ("0.0.0.0/8", "240.0.0.0/4", "::/128")),
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # SIIT, RFC 2765
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def unwrapped(address: Address) -> list[Address]:
    """Return an address with the IPv4 addresses that it stands for on the way (RFC 4291, 6052, 8215, 3056, 4380)."""
    found = [address]
    if isinstance(address, IPv4Address):
        return found
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _COMPATIBLE and int(address) > 1:
        found.append(low)
    if any(address in network for network in (_MAPPED, _TRANSLATED, _NAT64)):
        found.append(low)
    if address in _LOCAL_NAT64:
        # Its operator chose the prefix's length, so it is read in each way that gives an address.
        octets = address.packed
        readings = (octets[12:], octets[6:8] + octets[9:11], octets[7:8] + octets[9:12], octets[9:13])
        found += [IPv4Address(one) for one in readings if one[0]]
    if address in _6TO4:
        found.append(IPv4Address(address.packed[2:6]))
    if address in _TEREDO and address.teredo is not None:
        found += address.teredo
    return found


@dataclass(frozen=True, slots=True)
class Fence:
    """Networks that are open or closed beside what is closed anyway; `deny` goes before `allow`."""

    allow: Sequence[Network] = ()
    deny: Sequence[Network] = ()

    def refusal(self, address: Address) -> str | None:
        """Return the sentence why an address must not be connected to, or None."""
        for one in unwrapped(address):
            meant = f"{address}" if one == address else f"{address}, which means {one},"
            if _within(one, self.deny):
                return f"{meant} is in validation.deny"
            if _within(one, self.allow):
                continue
            for kind, networks in _DENIED:
                if _within(one, networks):
                    return f"{meant} is {kind}, and validation.allow does not have it"
        return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
