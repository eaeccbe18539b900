"""What clients in some networks see instead of the usual zones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["View"]


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder of zones for the clients in some networks."""

    networks: Annotated[
        tuple[str, ...], Meta(description="Networks whose clients see it; of several views the longest network counts.")
    ] = ()
    zones: Annotated[
        str, Meta(description="The folder of its zone files, relative to the data folder. Empty: views/VIEW in it.")
    ] = ""
