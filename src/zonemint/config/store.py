"""Which database is used, and how long what is over stays in it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from zonemint.config.values import Seconds, SettingError, check, database

__all__ = ["Store"]


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where everything is kept that a client was told of, and how long when it is over."""

    database: Annotated[
        str,
        Meta(description="A PostgreSQL database, as postgresql://USER@HOST/NAME; empty: zonemint.db in this folder."),
    ] = ""
    keep_orders: Annotated[
        Seconds, Meta(description="Orders that came to nothing, with their stories, after their expiry.")
    ] = Seconds(30 * 86400)
    keep_certificates: Annotated[
        Seconds, Meta(description="Certificates, with their orders and stories, after their end.")
    ] = Seconds(90 * 86400)

    def __post_init__(self) -> None:
        if self.database:
            check("store.database", self.database, database)
        # A client must learn how its order ended, and a revocation list counts on the store for its whole life.
        for key, least in (("keep_orders", Seconds(3600)), ("keep_certificates", Seconds(7 * 86400))):
            if (kept := getattr(self, key)) < least:
                raise SettingError(f"store.{key}", f"{kept} is too short: at least {least} is needed")
