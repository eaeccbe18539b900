"""The zones that come from others: those of the settings, and the members of their catalogs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

import structlog

from zonemint.app.base import Base
from zonemint.app.zone_copies import ZoneCopies
from zonemint.config import ZoneSettings
from zonemint.core.errors import ForeignDataError
from zonemint.core.names import is_within
from zonemint.core.tasks import end
from zonemint.dns import tsig, wire
from zonemint.dns.answers.requestor import Client, packed
from zonemint.dns.transfer.fetch import Primary
from zonemint.dns.transfer.membership import members
from zonemint.dns.transfer.notify import Peer
from zonemint.dns.transfer.secondary import Secondary
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals
from zonemint.dns.zones.zone import Zone

__all__ = ["Secondaries"]

_AT_ONCE = 16  # primaries that are asked something
_MEMBERS = 100_000  # zones of one catalog
_NAMES = 1_000  # of them that are written as text in one turn of the loop
_PAUSE = 1.0  # seconds after which what failed is begun again

_log = structlog.get_logger()


class _Member(NamedTuple):
    """Which catalog a zone is from, and the label it is listed under: under another one it begins anew."""

    catalog: str
    label: bytes


class Secondaries:
    """Follows every zone that has primaries, and begins and ends with the members of catalogs.

    peers: makes servers of what a zone's settings name.
    """

    def __init__(
        self,
        base: Base,
        catalog: Catalog,
        journals: Journals,
        keys: tsig.Keys,
        peers: Callable[[ZoneSettings, Sequence[str]], list[Peer]],
    ) -> None:
        self._base = base
        self._config = base.config
        self._catalog = catalog
        self._journals = journals
        self._keys = keys
        self._peers = peers
        self._copies = ZoneCopies(base.data)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._zones: dict[str, Secondary] = {}
        self._members: dict[str, _Member] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._dirty: dict[str, Secondary] = {}
        self._is_begun = False

    def restore(self) -> None:
        """Serve the copies of the last run, as far as they are good still."""
        for origin, settings in self._config.zones.items():
            if settings.primaries:
                self._make(origin, settings)
                self._restore(origin)

    def begin(self) -> None:
        """Begin to ask the primaries."""
        self._is_begun = True
        for origin in list(self._zones):
            self._follow(origin)

    async def close(self) -> None:
        """Ask no more, and keep what came."""
        await end([*self._taking.values(), *self._tasks.values()])
        await self.save()

    async def save(self) -> None:
        """Bring the copies on disk up to date."""
        dirty, self._dirty = self._dirty, {}
        for secondary in dirty.values():
            if secondary.zone is not None:
                await self._copies.write(secondary.zone, secondary.confirmed)
                if self._zones.get(secondary.origin) is not secondary:
                    self._copies.forget(secondary.origin)

    @property
    def zones(self) -> Mapping[str, Secondary]:
        """All of them, by their names."""
        return self._zones

    def settings(self, origin: str) -> ZoneSettings:
        """Return a zone's settings, which for a member of a catalog are those of the catalog."""
        member = self._members.get(origin)
        return self._config.zones.get(origin if member is None else member.catalog, ZoneSettings())

    def may_notify(self, origin: str, client: Client, key: tsig.Key | None) -> bool:
        """Hear whoever is a primary: by the key that it shares with us, or its address (RFC 1996 section 3.10)."""
        settings = self.settings(origin)
        for peer in self._peers(settings, settings.primaries) if origin in self._zones else ():
            if peer.key is None:
                if packed(ip_address(peer.address).packed) == client.address:
                    return True
            elif key is not None and key.name == peer.key:
                return True
        return False

    def hint(self, origin: str) -> None:
        """Look at the primaries of a zone now."""
        self._zones[origin].hint()

    def _make(self, origin: str, settings: ZoneSettings) -> None:
        clock, limit = self._base.clock, settings.largest
        peers = self._peers(settings, settings.primaries)
        self._zones[origin] = Secondary(
            origin,
            [Primary(peer, self._keys, clock, limit=limit) for peer in peers],
            self._catalog,
            self._journals,
            clock=clock,
            kept=self._kept,
            turns=self._turns,
        )

    def _restore(self, origin: str) -> None:
        if (copy := self._copies.read(origin)) is not None:
            self._zones[origin].restore(*copy)
            self._look_into(self._zones[origin])
        else:
            # The zone above and the forwarders know other things of its names, and are not asked even once.
            self._catalog.suspend(origin)

    def _follow(self, origin: str) -> None:
        secondary = self._zones[origin]

        async def always() -> None:
            while True:
                try:
                    await secondary.run()
                except Exception:
                    _log.exception("a secondary zone cannot be followed, and is begun again", zone=origin)
                await asyncio.sleep(_PAUSE)

        self._tasks[origin] = asyncio.get_running_loop().create_task(always())

    def _kept(self, secondary: Secondary, is_new: bool) -> None:
        if is_new or secondary.origin in self._dirty:
            self._dirty[secondary.origin] = secondary
        else:
            self._copies.confirm(secondary.origin, secondary.confirmed)
        if is_new:
            self._look_into(secondary)

    def _look_into(self, secondary: Secondary) -> None:
        zone = secondary.zone
        if zone is not None and secondary.origin not in self._members and self.settings(zone.origin).catalog:
            self._take_members(zone)

    def _take_members(self, zone: Zone) -> None:
        """Begin and end with zones as a catalog says; one that cannot be gone by changes nothing."""
        try:
            listed = members(zone)
            if len(listed) > _MEMBERS:
                raise ForeignDataError(f"{zone.origin} has more than {_MEMBERS} members")
        except ForeignDataError as error:
            _log.error("a catalog is wrong, its zones stay as they are", catalog=zone.origin, error=str(error))
            return
        steps = self._steps(zone.origin, listed)
        if not self._is_begun:
            # Nobody is answered yet, and who asks first should find all of them.
            for _ in steps:
                pass
            return
        if (before := self._taking.get(zone.origin)) is not None:
            before.cancel()
        self._taking[zone.origin] = asyncio.get_running_loop().create_task(_in_turns(zone.origin, steps))

    def _steps(self, catalog: str, listed: Mapping[bytes, bytes]) -> Iterator[None]:
        """Begin and end with zones, one at each step; whoever leaves off has done no harm."""
        wanted: dict[str, _Member] = {}
        for number, (apex, label) in enumerate(listed.items()):
            wanted[wire.name_to_text(apex)] = _Member(catalog, label)
            if not number % _NAMES:
                yield
        for origin, member in list(self._members.items()):
            new = wanted.get(origin)
            if member.catalog == catalog and new != member and self._members.get(origin) == member:
                self._end(origin)
                if new is not None:
                    self._add(origin, new)
                yield
        for origin, member in wanted.items():
            if origin not in self._members:
                self._add(origin, member)
                yield

    def _add(self, origin: str, member: _Member) -> None:
        if self._is_taken(origin):
            _log.warning("a catalog lists a zone that is here already", catalog=member.catalog, zone=origin)
            return
        self._members[origin] = member
        self._make(origin, self._config.zones[member.catalog])
        self._restore(origin)
        _log.info("a zone of a catalog begins", catalog=member.catalog, zone=origin)
        if self._is_begun:
            self._follow(origin)

    def _end(self, origin: str) -> None:
        member = self._members.pop(origin)
        self._zones.pop(origin)
        if (task := self._tasks.pop(origin, None)) is not None:
            task.cancel()
        self._catalog.remove(origin)
        self._copies.forget(origin)
        self._dirty.pop(origin, None)
        _log.info("a zone of a catalog ends", catalog=member.catalog, zone=origin)

    def _is_taken(self, origin: str) -> bool:
        config = self._config
        return (
            origin in (".", config.dns.catalog)
            or origin in config.zones
            or self._catalog.has(origin)
            or any(is_within(origin, zone) for zone in config.auth_zones)
        )


async def _in_turns(catalog: str, steps: Iterator[None]) -> None:
    """Take one step in each turn of the loop: each may read a copy, and questions are answered in between."""
    try:
        for _ in steps:
            await asyncio.sleep(0)
    except Exception:
        _log.exception("the zones of a catalog are not all taken over", catalog=catalog)
