"""Who sent a message, and by which transport."""

from __future__ import annotations

from enum import Enum
from ipaddress import ip_address
from typing import Self

import msgspec

__all__ = ["Client", "Transport", "packed"]

_MAPPED = bytes(10) + b"\xff\xff"


class Transport(Enum):
    """How messages come; the values are the words of metrics and logs."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    HTTPS = "https"


_UDP = Transport.UDP
_FIRST_SLOT = {transport: 2 * place for place, transport in enumerate(Transport)}


class Client(msgspec.Struct, frozen=True, gc=False):
    """The sender of a message.

    address: 4 bytes of IPv4, 16 of IPv6, as `packed` makes them; an IPv4 address inside IPv6 (RFC 4291 section
    2.5.5.2) is IPv4.
    """

    address: bytes
    port: int
    transport: Transport

    @classmethod
    def of(cls, host: str, port: int, transport: Transport) -> Self:
        """Make one of an address as text, such as `socket` gives it; a zone index is left out."""
        return cls(packed(ip_address(host.partition("%")[0]).packed), port, transport)

    @property
    def slot(self) -> int:
        """Where answers to it stand in a tally (`tally.SLOTS`)."""
        transport = self.transport
        return (0 if transport is _UDP else _FIRST_SLOT[transport]) + (len(self.address) > 4)

    @property
    def is_datagram(self) -> bool:
        """Whether the answer has to fit into a datagram, and whether the sender may be forged."""
        return self.transport is _UDP

    def __str__(self) -> str:
        host = str(ip_address(self.address))
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def packed(address: bytes) -> bytes:
    """Return an address of 4 or 16 bytes without the wrapping that IPv4 has inside IPv6."""
    return address[12:] if address.startswith(_MAPPED) and len(address) == 16 else address
