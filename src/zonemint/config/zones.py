"""The settings of single zones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import SettingError, check, server
from zonemint.core.names import normalize
from zonemint.core.networks import networks

__all__ = ["OWN_SERVERS", "ZoneSettings"]

OWN_SERVERS = "ns"
"""In a list of servers to notify: those that the zone's own NS records name."""


class ZoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is special about one zone; the table alone makes it a zone of ours."""

    file: Annotated[
        str, Meta(description="The zone file, relative to the data folder. Empty: zones/ZONE.zone in it.")
    ] = ""
    dnssec: Annotated[bool, Meta(description="Whether it is signed here; to end that, `zonemint dnssec disable`.")] = (
        False
    )
    reverse_of: Annotated[
        tuple[str, ...],
        Meta(description="Zones for whose A and AAAA records it has PTR records, where it has the names."),
    ] = ()
    allow_transfer: Annotated[
        tuple[str, ...],
        Meta(description="Networks that may have the whole zone; a key with that right needs none of them."),
    ] = ()
    notify: Annotated[
        tuple[str, ...],
        Meta(
            description='Servers to be told of each change, an address with or without port; "ns" is the zone\'s own.'
        ),
    ] = ()
    primaries: Annotated[
        tuple[str, ...],
        Meta(description="Servers that the zone is taken from, an address with or without port. Empty: it is ours."),
    ] = ()
    transfer_key: Annotated[
        str, Meta(description="The key that our messages to those servers are signed with (zonemint tsig).")
    ] = ""
    largest: Annotated[
        int, Meta(ge=1, le=1_000_000_000_000, description="Bytes of a zone that is taken from its primaries.")
    ] = 1_000_000_000

    def __post_init__(self) -> None:
        for one in self.notify:
            if one != OWN_SERVERS:
                check("notify", one, server)
        for one in self.primaries:
            check("primaries", one, server)
        if self.primaries and self.dnssec:
            raise SettingError("dnssec", "a zone is signed here or taken from its primaries, and not both")
        if self.primaries and self.file:
            raise SettingError("primaries", "a zone is taken from its primaries or from a file, and not from both")
        if self.transfer_key:
            check("transfer_key", self.transfer_key, normalize)
        try:
            networks(self.allow_transfer)
        except ValueError as error:
            raise SettingError("allow_transfer", str(error)) from None
