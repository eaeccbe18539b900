"""What goes on by itself in signed zones: signatures are made anew, keys move on, a parent of ours is told.

A key waits for caches by the clock, and for its parent by what that has. Where we serve the parent too, we put the DS
records there; elsewhere `zonemint dnssec confirm` says that they are there (RFC 6781 section 4.1.2, RFC 7583).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from zonemint.app import zone_keys
from zonemint.app.live_changes import Live
from zonemint.app.zone_list import Kind, nearest
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config
from zonemint.core.clock import Clock
from zonemint.core.errors import ZonemintError
from zonemint.core.names import parent
from zonemint.dns import codes
from zonemint.dns.dnssec.keys import SigningKey
from zonemint.dns.dnssec.seal import Seal
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.dns.zones.zone import Zone
from zonemint.store import dnssec_keys
from zonemint.store.dnssec_keys import DnssecKey, State
from zonemint.store.opening import Store

__all__ = ["ZoneSigning"]

_BY = "zonemint dnssec"
_log = structlog.get_logger()


class ZoneSigning:
    """Looks after the signed zones of a keeper."""

    def __init__(self, zones: ZoneKeeper, db: Store, config: Config, clock: Clock) -> None:
        self._zones = zones
        self._db = db
        self._config = config
        self._clock = clock

    async def look(self) -> None:
        """Do whatever is due; what fails is told, and tried again at the next look."""
        for live in list(self._zones.live.values()):
            if not live.keys:
                continue
            try:
                await self._sign_anew(live)
                if live.plan.view:
                    continue
                keys = await self._db.read(dnssec_keys.of_zone(live.plan.origin))
                for key in keys:
                    if await self._step(live, key, keys):
                        await self._zones.take_over()
                        break
            except ZonemintError as error:
                _log.error("a signed zone is not looked after", zone=live.plan.key, error=str(error))

    async def _sign_anew(self, live: Live) -> None:
        seal = live.zone.sealer
        if not isinstance(seal, Seal) or self._clock() < seal.due:
            return
        due = seal.due
        for _ in seal.prepare():
            await asyncio.sleep(0)
        await self._db.write(zone_keys.signed_anew(live.plan.origin, due))
        await self._zones.take_over()

    async def _step(self, live: Live, key: DnssecKey, keys: Sequence[DnssecKey]) -> bool:
        """Move a key on, if it may be; tell whether it was."""
        now = int(self._clock())
        margin = int(self._config.dnssec.propagation)
        if key.state is State.READY or key.state is State.LEAVING:
            if key.state is State.READY and key not in zone_keys.announced(keys):
                return False
            ttl = await self._at_parent(live, key)
            if ttl is None:
                return False
            state = State.KNOWN if key.state is State.READY else State.LEFT
            return await self._move(key, state, now + ttl + margin)
        if key.state is State.NEW and key.until is None:
            await self._move(key, State.NEW, now + _longest_ttl(live.zone) + margin)
            return True
        if key.until is None or now < key.until:
            return False
        after = {State.NEW: State.READY, State.KNOWN: State.ACTIVE, State.LEFT: None}
        return await self._move(key, after[key.state], None)

    async def _move(self, key: DnssecKey, state: State | None, until: int | None) -> bool:
        is_moved = await self._db.write(zone_keys.moved(key, state, now=int(self._clock()), until=until))
        if is_moved and state is not key.state:
            _log.info("a key of a zone moves on", zone=key.zone, tag=key.tag, state=state or "removed")
        return is_moved

    async def _at_parent(self, live: Live, key: DnssecKey) -> int | None:
        """Let the parent, if it is ours, have the DS records that it should; return their TTL when that is so."""
        origin = live.plan.origin
        above = nearest(parent(origin), self._zones.live)
        upper = self._zones.live.get(above) if above is not None else None
        owner = live.zone.apex
        if upper is None or upper.plan.kind is not Kind.PRIMARY or upper.zone.rrset(owner, codes.NS) is None:
            return None
        wanted = {SigningKey.load(key.private).ds(owner)[0]} if key.state is State.READY else set()
        ttl = int(self._config.dns.ttl)
        before = upper.zone.rrset(owner, codes.DS)

        def decide(draft: Draft) -> Iterable[Edit]:
            standing = draft.dynamic(owner, codes.DS)
            yield from (Edit(False, owner, codes.DS, old, data) for data, old in standing.items() if data not in wanted)
            yield from (Edit(True, owner, codes.DS, ttl, data) for data in wanted)

        await self._zones.change(upper.plan.origin, decide, actor="server", by=_BY)
        after = upper.zone.rrset(owner, codes.DS)
        if key.state is State.LEAVING and after is not None:
            return None  # it is in the zone file, whose owner has to remove it
        return max([one.ttl for one in (before, after) if one is not None], default=ttl)


def _longest_ttl(zone: Zone) -> int:
    return max(rrset.ttl for node in zone.nodes.values() for rrset in node)
