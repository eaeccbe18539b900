"""The settings of single zones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["ZoneSettings"]


class ZoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is special about one zone; the table alone makes it a zone of ours."""

    file: Annotated[
        str, Meta(description="The zone file, relative to the data folder. Empty: zones/ZONE.zone in it.")
    ] = ""
    reverse_of: Annotated[
        tuple[str, ...],
        Meta(description="Zones for whose A and AAAA records it has PTR records, where it has the names."),
    ] = ()
