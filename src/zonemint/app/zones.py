"""The zones that are served: the user's files, what they imply, and the dynamic records beside them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog

from zonemint.app import zone_keys
from zonemint.app.live_changes import Decide, Live, LiveChanges
from zonemint.app.zone_list import Kind, Plan, every
from zonemint.app.zone_reading import Stamp, ZoneFiles, around, edit_of, fill, stamp
from zonemint.config import Config, DataDir, ZoneSettings
from zonemint.core.clock import Clock
from zonemint.core.errors import ConfigError, StoreError, StoreUnavailable
from zonemint.dns import codes, wire
from zonemint.dns.zones import implied
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.journal import Journals, compared
from zonemint.dns.zones.overlay import Draft, Edit, Overlay
from zonemint.dns.zones.records import is_later
from zonemint.dns.zones.zone import TxtSource, TxtZone, Zone
from zonemint.store import dnssec_keys, records, zone_changes
from zonemint.store.database import Lock, Steps
from zonemint.store.dnssec_keys import DnssecKey
from zonemint.store.opening import Store
from zonemint.store.records import DynamicRecord
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.zone_changes import ZoneChange

__all__ = ["LOOK", "ZoneKeeper"]

LOOK = 0.005  # seconds
_RETRY = 1.0  # seconds, after a failure

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Read:
    """What a zone's file held when it was read."""

    plan: Plan
    stamps: dict[Path, Stamp]
    sources: dict[str, int]
    zone: Zone
    digest: str


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the store now says of a zone: what changed, or, where that is not known, all dynamic records."""

    served: Live
    serial: int
    digest: str
    changes: list[ZoneChange] | None
    dynamic: list[DynamicRecord]
    keys: tuple[DnssecKey, ...]


class ZoneKeeper:
    """Keeps the catalog true: to the zone files, to the store's records, and to what other processes do to it.

    catalogs: what is filled for each view, under "" the usual one; values: the source of each auth zone; failures: why
    a zone's newest content is not served, by its name; journals: what changed lately, in the zones for which somebody
    began one; settled: waits for those who serve copies.
    """

    def __init__(
        self,
        catalogs: Mapping[str, Catalog],
        db: Store,
        values: Mapping[str, TxtSource],
        config: Config,
        data: DataDir,
        address: str,
        clock: Clock,
    ) -> None:
        self._catalogs = catalogs
        self._catalog = catalogs[""]
        self._db = db
        self._values = values
        self._config = config
        self._data = data
        self._address = address
        self._clock = clock
        self._served: dict[str, Live] = {}
        self._refused: dict[str, tuple[Plan, dict[Path, Stamp], dict[str, int]]] = {}
        self._missing: set[str] = set()
        self._other_keys: set[str] = set()
        self._origins: set[str] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._version = 0
        self._next_look = 0.0
        self.settled: Callable[[], Awaitable[None]] = _nobody_else
        self.failures: dict[str, str] = {}
        self.journals = Journals(self._catalog)
        self._changes = LiveChanges(
            db,
            clock,
            live=self._live,
            lock=self._locks.__getitem__,
            catch_up=self.take_over,
            served=self._apply,
            settled=lambda: self.settled(),
        )

    @property
    def live(self) -> Mapping[str, Live]:
        """The zones as they are served, by their keys."""
        return self._served

    def keeps(self, zone: str) -> bool:
        """Tell whether a zone takes dynamic records, even if it is not served now; others come from elsewhere."""
        return zone in self._served or zone in self.failures

    async def load(self) -> None:
        """Read every zone for the first time; raises ConfigError for the first domain that is wrong."""
        if isinstance(self._db, SqliteDatabase):
            self._version = self._db.version()
        for plan in self._wanted().values():
            if plan.required:
                await self._take_up(plan, ZoneFiles(plan.file), self._serials(plan))
            else:
                await self._try(plan)

    async def change(
        self, zone: str, decide: Decide, *, actor: str, by: str, also: Callable[[], Steps[None]] | None = None
    ) -> list[Edit]:
        """Change the dynamic records of a zone that is served, and return how, when it is on disk and served.

        decide: is called with the zone as it stands and returns the edits; it may be called again, and what it raises
        comes out of here with nothing done. So a condition that it has looked at still holds when its edits are made.
        actor: who it was, for the audit log; by: what made it; also: what else the transaction does. Many changes at
        once share a transaction, a serial and a sync of the disk. Raises ConfigError when a record is not dynamic and
        would be removed, or the zone could not be served; StoreError, also for a zone that is not served now.
        """
        return await self._changes.make(zone, decide, actor=actor, by=by, also=also)

    async def reload_changed_files(self) -> None:
        """Read the files that are new or changed; a broken one leaves the old zone as it is, and the log tells."""
        wanted = self._wanted()
        for key in {**self._served, **self._refused}:
            if key not in wanted:
                self._drop(key)
        for plan in wanted.values():
            self._missing.discard(plan.key)
            served, refused = self._served.get(plan.key), self._refused.get(plan.key)
            known = refused or (served and (served.plan, served.stamps, served.sources))
            is_same = plan.key not in self._other_keys
            if known and is_same and known[0] == plan and known[2] == self._serials(plan) and _are_as(known[1]):
                continue
            if await self._try(plan):
                _log.info("zone loaded", zone=plan.key, serial=self._served[plan.key].serial)

    async def take_over(self) -> None:
        """Take over what other nodes wrote to the store; raises StoreError."""
        self._take(await self._db.read(self._moved()))
        for key in [*self._other_keys]:
            if (served := self._served.get(key)) is not None:
                await self._try(served.plan)

    async def look(self) -> None:
        """Do so as a periodic task."""
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process wrote to the store; called before answers, it looks every few milliseconds.

        A command of ours takes longer to end than that, so whoever waits for it sees its effect. A database on the
        network says itself when it has changed; see `take_over`.
        """
        now = monotonic()
        if now < self._next_look or not isinstance(self._db, SqliteDatabase):
            return
        self._next_look = now + LOOK
        try:
            version = self._db.version()
            if version == self._version:
                return
            self._take(self._db.read_now(self._moved()))
        except StoreError as error:
            self._next_look = now + _RETRY
            _log.error("the store's records cannot be taken over, the old ones stay", error=str(error))
        else:
            self._version = version

    def _wanted(self) -> dict[str, Plan]:
        """Return all zones by their keys, those last that are made of others."""
        found = [plan for plan in every(self._config, self._data).values() if plan.kind is Kind.PRIMARY]
        self._origins = {plan.origin for plan in found}
        return {plan.key: plan for plan in sorted(found, key=lambda plan: bool(plan.sources))}

    def _serials(self, plan: Plan) -> dict[str, int]:
        """Return the serials of the zones that a zone is made of."""
        found = {source: self._catalog.get(source) for source in plan.sources}
        return {source: zone.serial for source, zone in found.items() if zone is not None}

    async def _try(self, plan: Plan) -> bool:
        """Load a zone, and tell whether that changed it; if it fails, keep the old one, and note it."""
        key, files, sources = plan.key, ZoneFiles(plan.file), self._serials(plan)
        try:
            is_new = await self._take_up(plan, files, sources)
        except (ConfigError, StoreError) as error:
            self._fail(key, str(error), "a zone was not loaded")
            if isinstance(error, ConfigError):
                # Another try comes with the next change. The store comes back without one.
                self._refused[key] = (plan, files.stamps, sources)
            if key not in self._served and "dns" in self._config.roles:
                self._catalogs[plan.view].suspend(plan.origin)
            return False
        self._refused.pop(key, None)
        self.failures.pop(key, None)
        return is_new

    async def _take_up(self, plan: Plan, files: ZoneFiles, sources: dict[str, int]) -> bool:
        """Load a zone, and tell whether that changed it; raises ConfigError, StoreError."""
        read = await self._read(plan, files, sources)
        is_new = not self._is_served(read)
        if is_new:
            async with self._locks[plan.key]:
                await self._load(read)
        return is_new

    def _is_served(self, read: _Read) -> bool:
        """See whether a zone that was read anew is the one that is served already."""
        served = self._served.get(read.plan.key)
        if served is None or (served.plan, served.digest) != (read.plan, read.digest):
            return False
        if read.plan.key in self._other_keys:
            return False
        served.stamps, served.sources = read.stamps, read.sources
        return True

    def _fail(self, key: str, why: str, what: str) -> None:
        if self.failures.get(key) != why:
            stays = "its old content stays" if key in self._served else "every question about it is SERVFAIL"
            _log.error(f"{what}, {stays}", zone=key, error=why)
        self.failures[key] = why

    def _drop(self, key: str) -> None:
        """Serve a zone no more whose file is gone, at the second look: whoever replaces a file may be late."""
        if key not in self._missing:
            self._missing.add(key)
            return
        self._missing.discard(key)
        self._served.pop(key, None)
        self._refused.pop(key, None)
        self.failures.pop(key, None)
        view, _, origin = key.rpartition("/")
        self._catalogs[view].remove(origin)
        _log.info("zone removed, its file is gone", zone=key)

    async def _read(self, plan: Plan, files: ZoneFiles, sources: dict[str, int]) -> _Read:
        """Read a zone's files, with pauses for others; one that vanished is not empty: who replaces it may be late."""
        served = self._served.get(plan.key)
        if self._config.dns.hosts:
            hosts = self._data.path / self._config.dns.hosts
            files.stamps[hosts] = stamp(hosts)
        if served is not None and served.stamps.get(plan.file) is not None and not plan.file.exists():
            files.stamps[plan.file] = None
            raise ConfigError("the zone file is gone; put it back, or start anew to serve without it", file=plan.file)
        beside = around(
            self._config, self._data, plan, self._origins, [zone for one in sources if (zone := self._catalog.get(one))]
        )
        filling = Filling(plan.origin)
        for _ in fill(self._config, plan, files, self._address, beside, filling):
            await asyncio.sleep(0)
        return _Read(plan, files.stamps, sources, Zone.filled(filling), files.digest.hexdigest())

    async def _load(self, read: _Read) -> None:
        """Serve a zone as it was just read, under a serial that is on disk first and is never an old one's."""
        plan, zone = read.plan, read.zone
        is_wanted = self._config.zones.get(plan.origin, ZoneSettings()).dnssec
        if is_wanted and plan.kind is Kind.PRIMARY and plan.key not in self._served:
            algorithm = self._config.dnssec.algorithm
            await self._db.write(zone_keys.first(plan.origin, algorithm, actor="server", clock=self._clock))
        saved = await self._db.read(self._saved(read))
        serial, dynamic = saved if saved is not None else await self._db.write(self._next_serial(read))
        overlay = _laid_over(zone, dynamic, serial, plan.file)
        before = self._served.get(plan.key)
        keys = await self._sign(plan, zone, before)
        self._other_keys.discard(plan.key)
        self._served[plan.key] = served = Live(
            plan, read.stamps, read.sources, read.digest, zone, overlay, serial, keys
        )
        if "dns" in self._config.roles:
            # To compare whole zones costs something, and only who keeps a journal needs it.
            is_wanted = before is not None and not plan.view and self.journals.get(zone.apex) is not None
            delta = compared(before.zone, zone) if before is not None and is_wanted else None
            self._catalogs[plan.view].put(zone, delta)
        if not plan.view:
            for auth in plan.auth:
                self._serve_auth(auth, served)
        # What came meanwhile went to the old zone.
        self._version = -1

    async def _sign(self, plan: Plan, zone: Zone, before: Live | None) -> tuple[DnssecKey, ...]:
        """Sign a zone that is to be served, if it has keys, and return them; what was signed already stays so."""
        rows = await self._db.read(dnssec_keys.of_zone(plan.origin))
        if rows and "dns" in self._config.roles:
            lifetime, ttl = self._config.dnssec.signature_lifetime, self._config.dns.ttl
            seal = zone_keys.seal(zone, rows, lifetime=lifetime, ttl=ttl, clock=self._clock)
            for _ in seal.begin(before.zone if before is not None else None):
                await asyncio.sleep(0)
            # Those of the last run may have been older, and the serial stands for them.
            await self._db.write(zone_keys.signed_anew(plan.origin, seal.since))
        return rows

    def _saved(self, read: _Read) -> Steps[tuple[int, list[DynamicRecord]] | None]:
        """Return the serial that stands for this very content, and the records beside it; None where there is none.

        Of two nodes whose file changes, the second one finds the serial of the first. It is no serial for a node that
        has served its old content under it, when the first one's change reached it before its own file.
        """
        origin = read.plan.key
        saved = yield from records.serial(origin)
        before = self._served.get(origin)
        if saved is None or saved[1] != read.digest:
            return None
        if before is not None and before.serial == saved[0] and before.digest != read.digest:
            return None
        return saved[0], (yield from records.of_zone(origin))

    def _next_serial(self, read: _Read) -> Steps[tuple[int, list[DynamicRecord]]]:
        """Give the content a serial, unless it cannot be served; raises ConfigError."""
        origin = read.plan.key
        yield Lock(f"zone {origin}")
        dynamic = yield from records.of_zone(origin)
        _drafted(read.zone, dynamic, read.plan.file)
        saved = yield from records.serial(origin)
        own = read.zone.serial
        serial = int(self._clock()) if saved is None else saved[0] + 1 & 0xFFFFFFFF
        serial = own if own > 1 and (saved is None or is_later(own, serial)) else serial
        yield from records.save_serial(origin, serial, read.digest)
        return serial, dynamic

    def _moved(self) -> Steps[list[_Moved]]:
        """Find the zones that another process gave another serial."""
        moved = []
        saved = yield from records.serials()
        for origin, served in self._served.items():
            serial, digest = saved.get(origin, (served.serial, ""))
            if serial == served.serial:
                continue
            changes = yield from zone_changes.since(origin, served.serial, serial)
            dynamic = (yield from records.of_zone(origin)) if changes is None else []
            keys = yield from dnssec_keys.of_zone(served.plan.origin)
            moved.append(_Moved(served, serial, digest, changes, dynamic, keys))
        return moved

    def _take(self, moved: Sequence[_Moved]) -> None:
        for one in moved:
            served = one.served
            origin = served.plan.key
            if self._served.get(origin) is not served or not is_later(one.serial, served.serial):
                # Its file was read anew meanwhile, or it is further already; the next look goes by that.
                continue
            if [(key.tag, key.state) for key in one.keys] != [(key.tag, key.state) for key in served.keys]:
                self._other_keys.add(origin)  # all is signed anew, which takes longer than a question may wait
                continue
            if one.digest != served.digest:
                _log.warning("another node has another zone file or advertises another address", zone=origin)
            draft = Draft(served.zone, served.overlay)
            try:
                if one.changes is None:
                    draft.replace([edit_of(row.name, row.type, row.ttl, row.data) for row in one.dynamic])
                else:
                    draft.edit([edit_of(c.name, c.type, c.ttl, c.data, added=c.added) for c in one.changes])
                self._apply(served, draft, one.serial)
            except ConfigError as error:
                self._fail(origin, str(error), "a zone cannot be served with its new records")
            else:
                if origin not in self._refused:
                    self.failures.pop(origin, None)

    def _live(self, origin: str) -> Live:
        served = self._served.get(origin)
        if served is None:
            raise StoreUnavailable(f"zone {origin} is not served now")
        return served

    def _apply(self, served: Live, draft: Draft, serial: int) -> None:
        """Serve what was drafted and is in the store, unless something later is served already."""
        if not is_later(serial, served.serial):
            return
        delta = served.zone.apply(draft.changes, serial)
        served.overlay.take(draft)
        served.serial = serial
        for auth in served.plan.auth:
            if (wire.name_from_text(auth), codes.NS) in delta.touched:
                self._serve_auth(auth, served)

    def _serve_auth(self, auth: str, served: Live) -> None:
        """Serve an auth zone, unless the zone file gives it to another server.

        Beside a foreign server of the domain it is its own name server, whose address the other one has as glue.
        """
        is_parent_here = "dns" in self._config.roles
        server = served.plan.server
        delegation = served.zone.rrset(wire.name_from_text(auth), codes.NS)
        if is_parent_here and (delegation is None or delegation.data != (wire.name_from_text(server),)):
            self._catalog.remove(auth)
            return
        apex = implied.auth_zone(
            auth,
            server if is_parent_here else auth,
            address=self._address,
            ttl=int(self._config.dns.ttl),
            negative_ttl=int(self._config.dns.negative_ttl),
        )
        self._catalog.put(TxtZone.build(auth, apex, serial=served.serial, source=self._values[auth]))


def _are_as(stamps: Mapping[Path, Stamp]) -> bool:
    return all(stamp(file) == old for file, old in stamps.items())


async def _nobody_else() -> None:
    """There are no copies."""


def _drafted(zone: Zone, dynamic: Sequence[DynamicRecord], file: Path) -> Draft:
    """Lay dynamic records over a zone that has none yet; raises ConfigError."""
    draft = Draft(zone, Overlay())
    try:
        draft.replace([edit_of(one.name, one.type, one.ttl, one.data) for one in dynamic])
    except ConfigError as error:
        raise ConfigError(error.detail, file=file) from None
    return draft


def _laid_over(zone: Zone, dynamic: Sequence[DynamicRecord], serial: int, file: Path) -> Overlay:
    draft = _drafted(zone, dynamic, file)
    overlay = Overlay()
    zone.set_serial(serial)
    zone.apply(draft.changes, serial)
    overlay.take(draft)
    return overlay
