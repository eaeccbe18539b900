"""The tables `[provisioners.NAME]`: the ACME servers, each with its own accounts, profiles and policy."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import SettingError, check, page
from zonemint.core.patterns import Patterns, spelled

__all__ = ["FIRST", "Provisioner"]

FIRST = "acme"
"""The provisioner that is there without a table."""


class Provisioner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one ACME server issues, and to whom; SettingError of a table has the setting's name alone."""

    profiles: Annotated[
        tuple[str, ...],
        Meta(description="The profiles that orders may ask for, the first for those that ask for none; empty: all."),
    ] = ()
    allow: Annotated[
        tuple[str, ...],
        Meta(description="What is issued for: names, *.NAME for all below, networks; empty: all that the CA may."),
    ] = ()
    deny: Annotated[tuple[str, ...], Meta(description="What is not issued for, written likewise; it wins.")] = ()
    wildcards: Annotated[bool, Meta(description="Whether names such as *.lab.test are issued for.")] = True
    single_labels: Annotated[
        bool, Meta(description="Whether names of one label are issued for, where that is a domain of ours.")
    ] = False

    challenges: Annotated[
        tuple[str, ...], Meta(description="The challenges that are offered; empty: acme.challenges.")
    ] = ()
    dates: Annotated[bool, Meta(description="Whether orders may say notBefore and notAfter, within the profile.")] = (
        True
    )
    networks: Annotated[
        tuple[str, ...], Meta(description="Where accounts may be made and used from; empty: everywhere.")
    ] = ()
    external_account_required: Annotated[
        bool, Meta(description="Whether an account is made only with a key of `zonemint eab create`.")
    ] = False
    terms: Annotated[
        str, Meta(description="The URL of the terms of service, which new accounts must agree to; empty: none.")
    ] = ""
    terms_again: Annotated[
        bool, Meta(description="Whether accounts that agreed to other terms order nothing before they agree to these.")
    ] = False
    website: Annotated[str, Meta(description="A page about this CA, in the directory.")] = ""

    def __post_init__(self) -> None:
        for network in self.networks:
            check("networks", network, ip_network)
        for key in ("terms", "website"):
            if url := getattr(self, key):
                check(key, url, page)
        if self.terms_again and not self.terms:
            raise SettingError("terms_again", "there are no terms to agree to")
        for key in ("allow", "deny"):
            found = tuple(check(key, text, spelled) for text in getattr(self, key))
            msgspec.structs.force_setattr(self, key, found)

    @property
    def named(self) -> dict[str, tuple[str, ...]]:
        """The names in the patterns of each setting, without `*.`."""
        return {key: Patterns.read(getattr(self, key)).names() for key in ("allow", "deny")}
