"""The DNS server's settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds

__all__ = ["Dns"]


class Dns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long resolvers may keep our answers."""

    ttl: Annotated[Seconds, Meta(description="Time to live of records that no zone file gives one.")] = Seconds(300)
    negative_ttl: Annotated[
        Seconds, Meta(description="Time to live of 'no such name' and 'no such data' (RFC 2308).")
    ] = Seconds(60)
