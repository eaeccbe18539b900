"""The acme-dns API's settings: who may register, how often, and which zones it has."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError, check, check_origins
from zonemint.core.names import hostname

__all__ = ["AcmeDns"]

_REGISTRATION = ("private", "open", "token", "closed")


class AcmeDns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The acme-dns API."""

    registration: Annotated[
        str | tuple[str, ...],
        Meta(
            description="Who may register: private (loopback and private addresses), open, token, closed, or networks."
        ),
    ] = "private"
    registrations_per_minute: Annotated[
        int, Meta(ge=0, description="Calls of /register that one address may make in a minute; 0: no limit.")
    ] = 120
    updates_per_minute: Annotated[
        int, Meta(ge=0, description="Calls of /update that one address may make in a minute; 0: no limit.")
    ] = 12000
    extra_zones: Annotated[
        tuple[str, ...], Meta(description="More auth zones; who registers at such a host gets a name in it.")
    ] = ()
    tell_server_url: Annotated[
        bool, Meta(description="Whether the reply to /register has the API's URL as a sixth member.")
    ] = False
    origins: Annotated[
        tuple[str, ...], Meta(description="Web sites whose scripts may call the API from a browser (CORS).")
    ] = ()
    plain_http: Annotated[
        bool, Meta(description="Whether the API is on the HTTP port, too, without TLS: for inside a cluster.")
    ] = False
    values: Annotated[int, Meta(ge=2, le=100, description="TXT values kept for each account.")] = 10
    value_lifetime: Annotated[Seconds, Meta(description="How long a TXT value is served.")] = Seconds(86400)
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks of the proxies whose X-Forwarded-For is believed.")
    ] = ()

    def __post_init__(self) -> None:
        if isinstance(self.registration, str):
            if self.registration not in _REGISTRATION:
                words = ", ".join(_REGISTRATION)
                raise SettingError("acmedns.registration", f"it must be one of {words}, or a list of networks")
        else:
            for network in self.registration:
                check("acmedns.registration", network, ipaddress.ip_network)
        for network in self.trusted_proxies:
            check("acmedns.trusted_proxies", network, ipaddress.ip_network)
        zones = tuple(check("acmedns.extra_zones", name, hostname) for name in self.extra_zones)
        msgspec.structs.force_setattr(self, "extra_zones", zones)
        check_origins("acmedns.origins", self.origins)
