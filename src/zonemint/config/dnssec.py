"""How zones are signed."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError

__all__ = ["Dnssec"]

_SHORTEST = 32  # seconds


class Dnssec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is the same for all zones that are signed here; which are, says `dnssec` in their tables."""

    algorithm: Annotated[Literal["ecdsap256sha256", "ed25519"], Meta(description="The algorithm of new keys.")] = (
        "ecdsap256sha256"
    )
    signature_lifetime: Annotated[
        Seconds, Meta(description="How long a signature holds; at half of it, it is made anew.")
    ] = Seconds(14 * 86400)
    propagation: Annotated[
        Seconds, Meta(description="How long it may take until every server of a zone has a change.")
    ] = Seconds(3600)
    ds_ttl: Annotated[Seconds, Meta(description="Time to live of DS records at parents that are not served here.")] = (
        Seconds(86400)
    )

    def __post_init__(self) -> None:
        if self.signature_lifetime < _SHORTEST:
            raise SettingError("dnssec.signature_lifetime", f"it must be {_SHORTEST} seconds or more")
