"""What a node does because others use the same store: it sees what they did, and takes up what they left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from zonemint.app.background import Background
from zonemint.app.ca import Ca
from zonemint.app.zones import ZoneKeeper
from zonemint.core.clock import Clock
from zonemint.core.errors import StoreError
from zonemint.core.tasks import heard
from zonemint.store import leases, signings
from zonemint.store.database import Steps

if TYPE_CHECKING:
    from zonemint.store.postgres import PostgresDatabase

__all__ = ["Sharing"]

_LOOK = 1.0  # seconds between looks at the zones, should nobody tell
_VALIDATIONS = 5.0  # seconds between looks for validations that nobody works on any more
_CLEANING = 60.0  # seconds between looks for what nobody needs to remember
_CLEANING_LEASE = 90_000  # milliseconds
_UNREAD = 86400  # seconds after which a node's own request is waited for by nobody


class Sharing:
    """Keeps a node in step with the others; what does not run here is None."""

    def __init__(
        self, db: PostgresDatabase, ca: Ca | None, zones: ZoneKeeper | None, *, process: str, clock: Clock
    ) -> None:
        self._db = db
        self._ca = ca
        self._desk = ca.desk if ca else None
        self._zones = zones
        self._process = process
        self._clock = clock
        self._zones_changed = asyncio.Event()

    def start(self, background: Background) -> None:
        """Begin, and go on for as long as the background does."""
        self._db.on_change(self._changed)
        if self._zones is not None:
            zones = self._zones
            background.run(lambda: self._follow_zones(zones))
        if self._ca is not None:
            background.every(_VALIDATIONS, self._ca.validator.look_after)
        background.every(_CLEANING, self._clean)
        if self._desk is not None:
            background.run(self._desk.keep)

    async def stop(self) -> None:
        """Let go of what other nodes would wait for."""
        with suppress(StoreError):
            await self._db.write(leases.release(self._process))

    def _changed(self, table: str) -> None:
        if table in ("", "zone_serials"):
            self._zones_changed.set()
        if table in ("", "certificates", "crls") and self._ca is not None:
            self._ca.crl.revoked()
        if table in ("", "signings") and self._desk is not None:
            self._desk.tell()

    async def _follow_zones(self, zones: ZoneKeeper) -> None:
        while True:
            await heard(self._zones_changed, _LOOK)
            with suppress(StoreError):
                await zones.take_over()

    async def _clean(self) -> None:
        now_ms = int(self._clock() * 1000)

        def steps() -> Steps[bool]:
            if not (
                yield from leases.take("cleaning", self._process, now_ms=now_ms, until_ms=now_ms + _CLEANING_LEASE)
            ):
                return False
            yield from signings.forget(before=now_ms // 1000 - _UNREAD)
            nonces = self._ca.shared_nonces if self._ca is not None else None
            return (yield from nonces.forget()) if nonces is not None else False

        while await self._db.write(steps()):
            pass
