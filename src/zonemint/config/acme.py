"""The ACME server: how long its objects live, which challenges it offers, how far CAA counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError, check, check_origins
from zonemint.core.names import hostname, normalize

__all__ = ["Acme", "check_challenges"]

_CAA_SCOPES = ("off", "zone", "tree")
_CHALLENGES = ("dns-01", "http-01", "tls-alpn-01")
_DRAFTS = ("dns-account-01", "dns-persist-01")  # offered where the settings name them
_IDENTITIES = 10  # draft-ietf-acme-dns-persist, section 3.1


class Acme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the objects of the ACME server live (RFC 8555 section 7.1)."""

    order_lifetime: Annotated[
        Seconds, Meta(description="From a new order to its expiry; it ends with the first of its valid authorizations.")
    ] = Seconds(86400)
    authorization_lifetime: Annotated[
        Seconds, Meta(description="How long a validated authorization holds, to finalize and to revoke.")
    ] = Seconds(86400)
    certificate_lifetime: Annotated[
        Seconds, Meta(description="Certificates of profiles that do not say how long theirs live.")
    ] = Seconds(90 * 86400)
    challenges: Annotated[
        tuple[str, ...], Meta(description="The challenges that are offered, in the order in which clients see them.")
    ] = _CHALLENGES
    subdomains: Annotated[
        bool, Meta(description="Whether an order may have a name proved by a domain above it (RFC 9444).")
    ] = False
    authorization_reuse: Annotated[
        bool, Meta(description="Whether an account's later orders take what it proved over, as long as that holds.")
    ] = False
    origins: Annotated[
        tuple[str, ...], Meta(description="Web sites whose scripts may use ACME from a browser (CORS).")
    ] = ()
    caa_identities: Annotated[
        tuple[str, ...], Meta(description="The names that mean this CA in CAA records; empty: ca.DOMAIN.")
    ] = ()
    caa: Annotated[
        dict[str, str],
        Meta(description='Zones and how far up CAA counts: "off", "zone" (up to that zone) or "tree" (to the top).'),
    ] = {}

    def __post_init__(self) -> None:
        check_origins("acme.origins", self.origins)
        names = tuple(check("acme.caa_identities", one, hostname) for one in self.caa_identities)
        if len(names) > _IDENTITIES:
            raise SettingError("acme.caa_identities", f"{len(names)} names are too many: {_IDENTITIES} are allowed")
        msgspec.structs.force_setattr(self, "caa_identities", names)
        for zone, scope in self.caa.items():
            if check("acme.caa", zone, normalize) != zone or scope not in _CAA_SCOPES:
                words = ", ".join(f'"{one}"' for one in _CAA_SCOPES)
                raise SettingError("acme.caa", f"write {zone.lower().rstrip('.')} = one of {words}")
        if not self.challenges:
            raise SettingError("acme.challenges", "it must name at least one challenge, and each once")
        check_challenges("acme.challenges", self.challenges)


def check_challenges(key: str, types: Sequence[str]) -> None:
    """Raise SettingError for a challenge that there is not, and for one that is named twice."""
    if len(set(types)) < len(types):
        raise SettingError(key, "it must name at least one challenge, and each once")
    if unknown := next((one for one in types if one not in _CHALLENGES + _DRAFTS), None):
        words = ", ".join(_CHALLENGES + _DRAFTS)
        raise SettingError(key, f"there is no '{unknown}': it is a list of {words}")
