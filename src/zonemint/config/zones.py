"""The settings of single zones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.grants import Grants
from zonemint.config.values import SettingError, check, server
from zonemint.core.names import normalize

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
        tuple[str, ...] | None,
        Meta(description="Who may have the whole zone: networks, and key:NAME; unset: as dns.allow_transfer has it."),
    ] = None
    notify: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Servers to be told of each change, an address with or without port; "
            'unset: those of dns.notify; "ns" is the zone\'s own.'
        ),
    ] = None
    primaries: Annotated[
        tuple[str, ...],
        Meta(description="Servers that the zone is taken from, an address with or without port. Empty: it is ours."),
    ] = ()
    transfer_key: Annotated[
        str, Meta(description="The key that our messages to those servers are signed with (zonemint tsig).")
    ] = ""
    catalog: Annotated[
        bool, Meta(description="Whether it is a catalog, whose members become secondary zones, too (RFC 9432).")
    ] = False
    group: Annotated[
        str, Meta(description="What our own catalog says about how secondaries are to configure the zone.")
    ] = ""
    largest: Annotated[
        int, Meta(ge=1, le=1_000_000_000_000, description="Bytes of a zone that is taken from its primaries.")
    ] = 1_000_000_000

    def __post_init__(self) -> None:
        for one in self.notify or ():
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
        for one in self.allow_transfer or ():
            check("allow_transfer", one, lambda text: Grants.read([text]))
        if self.catalog and not self.primaries:
            raise SettingError("catalog", "a catalog comes from primaries: name them")
        if len(self.group.encode()) > 255:
            raise SettingError("group", "it must have at most 255 bytes")
