"""Which queries are written down."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import SettingError, check
from zonemint.core.errors import BadName
from zonemint.core.names import normalize

__all__ = ["QueryLog"]

CLASSES = ("success", "denial", "error")
_MOST = 1_000_000


class QueryLog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Queries in a file, a line each; nothing is written without a file."""

    file: Annotated[
        str, Meta(description='Where the lines go, relative to the data folder; "-" is standard error. Empty: none.')
    ] = ""
    classes: Annotated[
        tuple[str, ...], Meta(description="Of which answers: success, denial (no such name or data), error.")
    ] = CLASSES
    every: Annotated[int, Meta(description="One of so many queries is written.")] = 1
    names: Annotated[tuple[str, ...], Meta(description="Only names at and below these; empty: all.")] = ()
    clients: Annotated[tuple[str, ...], Meta(description="Only clients in these networks; empty: all.")] = ()

    def __post_init__(self) -> None:
        if unknown := next((one for one in self.classes if one not in CLASSES), None):
            raise SettingError("query_log.classes", f"there is no '{unknown}'; there is {', '.join(CLASSES)}")
        if not 1 <= self.every <= _MOST:
            raise SettingError("query_log.every", f"{self.every} is not a number from 1 to {_MOST}")
        for one in self.names:
            try:
                normalize(one)
            except BadName as error:
                raise SettingError("query_log.names", str(error)) from None
        for one in self.clients:
            check("query_log.clients", one, ip_network)
