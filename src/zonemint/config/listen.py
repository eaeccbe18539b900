"""Where the servers listen, and where clients reach them."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import SettingError, check

__all__ = ["Listen", "advertised"]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the servers listen; port 0 lets the system pick a free one."""

    address: Annotated[str, Meta(description="The address to listen on: 0.0.0.0 and :: are every address.")] = "0.0.0.0"  # noqa: S104
    advertise: Annotated[
        str, Meta(description="The address in the records of ns1, ca and auth; empty: found by itself.")
    ] = ""
    dns_port: Annotated[int, Meta(description="DNS, UDP and TCP.")] = 53
    https_port: Annotated[int, Meta(description="ACME and the acme-dns API.")] = 443
    http_port: Annotated[int, Meta(description="What must not need TLS: roots, CRL, readiness, metrics.")] = 80
    dot_port: Annotated[int | None, Meta(description="DNS over TLS, whose port is 853; unset: none.")] = None
    doh_port: Annotated[
        int | None,
        Meta(description="DNS over HTTPS at /dns-query, with HTTP/2; the HTTPS port gives that both. Unset: none."),
    ] = None
    certificate: Annotated[
        str,
        Meta(description="The chain that TLS shows, PEM, read again when it changes; empty: our own CA's."),
    ] = ""
    key: Annotated[str, Meta(description="The file of that certificate's private key, PEM.")] = ""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise SettingError(f"listen.{'key' if self.key else 'certificate'}", "certificate and key are set together")
        check("listen.address", self.address, ipaddress.ip_address)
        if self.advertise and check("listen.advertise", self.advertise, ipaddress.ip_address).is_unspecified:
            raise SettingError("listen.advertise", f"'{self.advertise}' is no address that a client can reach")
        for key in ("dns_port", "https_port", "http_port", "dot_port", "doh_port"):
            if not 0 <= (port := getattr(self, key) or 0) <= 65535:
                raise SettingError(f"listen.{key}", f"{port} is not a port: 0 to 65535 are")


def advertised(listen: Listen) -> str:
    """Return the address that clients can reach us at, which the records of `ns1`, `ca` and `auth` carry.

    Without a setting it is the listening address, or the machine's own one on its way out when we listen on
    every address (no packet is sent to find it; loopback when there is no way out).
    """
    if listen.advertise:
        return listen.advertise
    address = ipaddress.ip_address(listen.address)
    if not address.is_unspecified:
        return listen.address
    family, far, loopback = (
        (socket.AF_INET, "192.0.2.1", "127.0.0.1") if address.version == 4 else (socket.AF_INET6, "2001:db8::1", "::1")
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))
            return str(probe.getsockname()[0])
    except OSError:
        return loopback
