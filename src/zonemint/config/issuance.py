"""What is checked before a certificate is signed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Issuance"]


class Issuance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The checks before a certificate is signed that can be chosen; all others are always done."""

    crl_days: Annotated[
        int,
        Meta(
            ge=0,
            le=366,
            description="Days in which certificates end that share a revocation list; 0: one list for all.",
        ),
    ] = 0
    lint: Annotated[bool, Meta(description="Whether pkilint looks at certificates before they are signed.")] = True
    known_keys: Annotated[
        str,
        Meta(description="The blocklist.dat of badkeys, relative to this folder: keys that are public; empty: none."),
    ] = ""
