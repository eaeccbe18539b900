"""The zones that are served: the user's files, what they imply, and the dynamic records beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import structlog

from zonemint.config import Config, DataDir
from zonemint.core.clock import Clock
from zonemint.core.errors import ConfigError, StoreError
from zonemint.core.names import is_within
from zonemint.dns.zones import implied, zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import Record, is_later
from zonemint.dns.zones.zone import TxtSource, TxtZone, Zone
from zonemint.store import records
from zonemint.store.database import Lock, Steps
from zonemint.store.opening import Store
from zonemint.store.records import DynamicRecord
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["ZoneKeeper", "auth_of", "auth_zones_in", "build", "fixed_records"]

_LOOK = 0.005  # seconds
_RETRY = 1.0  # seconds, after a failure

_log = structlog.get_logger()


class _Moved(NamedTuple):
    """What the store now says of a zone whose serial there is not the one that we serve."""

    source: _Source
    serial: int
    digest: str
    dynamic: list[DynamicRecord]


@dataclass(slots=True)
class _Source:
    """What a zone file held when it was last read; `stamp` is its modification time and size."""

    origin: str
    file: Path
    stamp: tuple[int, int] | None
    records: list[Record]
    digest: str
    serial: int = 0


def auth_of(config: Config) -> str:
    """Return the first auth zone's name, where accounts are unless it is said otherwise."""
    return config.auth_zones[0]


def auth_zones_in(config: Config, origin: str) -> list[str]:
    """Return the auth zones that a zone of ours delegates, if they are served here: its domain is their nearest."""
    if "acmedns" not in config.roles:
        return []
    nearest = {
        auth: max((domain for domain in config.domains if is_within(auth, domain)), key=len)
        for auth in config.auth_zones
    }
    return [auth for auth, domain in nearest.items() if domain == origin]


def fixed_records(config: Config, file: Path, origin: str, address: str) -> list[Record]:
    """Return the records of a zone's file, if there is one, and what they imply; raises ConfigError with the line.

    address: that of the implied hosts; a record with a line is from the file, one without is implied.
    """
    try:
        given = zonefile.parse(file.read_text(encoding="utf-8"), origin, file=file)
    except FileNotFoundError:
        given = []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the zone file cannot be read: {error}", file=file) from error
    added = implied.private_zone(
        origin,
        given,
        address=address,
        ttl=int(config.dns.ttl),
        negative_ttl=int(config.dns.negative_ttl),
        with_ca=origin == config.domain and "ca" in config.roles,
        auth_zones=auth_zones_in(config, origin),
    )
    return [*given, *added]


def build(
    origin: str, fixed: Sequence[Record], dynamic: Sequence[DynamicRecord], *, serial: int | None, file: Path
) -> Zone:
    """Put a zone together; raises ConfigError with the place in the file when its records contradict each other."""
    beside = [Record(one.name, one.ttl, one.type, one.data) for one in dynamic]
    try:
        return Zone.build(origin, [*fixed, *beside], serial=serial)
    except ConfigError as error:
        raise ConfigError(error.detail, file=file, line=error.line or None) from None


class ZoneKeeper:
    """Keeps the catalog true: to the zone files, to the store's records, and to what other processes do to it.

    values: the source of each auth zone.
    """

    def __init__(
        self,
        catalog: Catalog,
        db: Store,
        values: Mapping[str, TxtSource],
        config: Config,
        data: DataDir,
        address: str,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._db = db
        self._values = values
        self._config = config
        self._data = data
        self._address = address
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._version = 0
        self._next_look = 0.0
        self.failures: dict[str, str] = {}

    async def load(self) -> None:
        """Read every zone for the first time; raises ConfigError for the first that is wrong."""
        if isinstance(self._db, SqliteDatabase):
            self._version = self._db.version()
        for origin in self._config.domains:
            await self._load(self._read(origin))

    async def reload_changed_files(self) -> None:
        """Read the files that changed; a broken one leaves the old zone as it is and is told in the log."""
        for origin, source in self._sources.items():
            if _stamp(source.file) == source.stamp:
                continue
            try:
                await self._load(self._read_again(source))
            except (ConfigError, StoreError) as error:
                if isinstance(error, ConfigError):
                    # Another try comes with the next change. The store comes back without one.
                    source.stamp = _stamp(source.file)
                if self.failures.get(origin) != str(error):
                    _log.error("a zone was not reloaded, its old content stays", zone=origin, error=str(error))
                self.failures[origin] = str(error)
            else:
                self.failures.pop(origin, None)
                _log.info("zone reloaded", zone=origin, serial=self._sources[origin].serial)

    async def take_over(self) -> None:
        """Take over what other nodes wrote to the store; raises StoreError."""
        self._take(await self._db.read(self._moved()))

    def refresh(self) -> None:
        """Take over what another process wrote to the store; called before answers, it looks every few milliseconds.

        A command of ours takes longer to end than that, so whoever waits for it sees its effect. A database on the
        network says itself when it has changed; see `take_over`.
        """
        now = monotonic()
        if now < self._next_look or not isinstance(self._db, SqliteDatabase):
            return
        self._next_look = now + _LOOK
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

    def _read(self, origin: str) -> _Source:
        file = self._data.zone_file(origin)
        stamp = _stamp(file)
        fixed = fixed_records(self._config, file, origin, self._address)
        content = "\n".join(f"{one.name} {one.ttl} {one.type} {one.data}" for one in fixed)
        return _Source(origin, file, stamp, fixed, sha256(content.encode()).hexdigest())

    def _read_again(self, source: _Source) -> _Source:
        """Read a zone whose file changed; one that vanished is no empty one, since whoever replaces it may be late."""
        if source.stamp is not None and not source.file.exists():
            raise ConfigError("the zone file is gone; put it back, or start anew to serve without it", file=source.file)
        return self._read(source.origin)

    async def _load(self, source: _Source) -> None:
        """Serve a zone as it was just read, under a serial that is on disk first and is never an old one's."""
        saved = await self._db.read(self._saved(source))
        serial, dynamic = saved if saved is not None else await self._db.write(self._next_serial(source))
        self._serve(source, serial, dynamic)
        self._sources[source.origin] = source

    def _saved(self, source: _Source) -> Steps[tuple[int, list[DynamicRecord]] | None]:
        """Return the serial that stands for this very content, and the records beside it; None where there is none.

        Of two nodes whose file changes, the second one finds the serial of the first. It is no serial for a node that
        has served its old content under it, when the first one's change reached it before its own file.
        """
        saved = yield from records.serial(source.origin)
        before = self._sources.get(source.origin)
        if saved is None or saved[1] != source.digest:
            return None
        if before is not None and before.serial == saved[0] and before.digest != source.digest:
            return None
        return saved[0], (yield from records.of_zone(source.origin))

    def _next_serial(self, source: _Source) -> Steps[tuple[int, list[DynamicRecord]]]:
        """Give the content a serial, unless it cannot be served; raises ConfigError."""
        yield Lock(f"zone {source.origin}")
        dynamic = yield from records.of_zone(source.origin)
        build(source.origin, source.records, dynamic, serial=1, file=source.file)
        saved = yield from records.serial(source.origin)
        own = next((int(one.data.split()[2]) for one in source.records if one.type == "SOA"), 0)
        serial = int(self._clock()) if saved is None else saved[0] + 1 & 0xFFFFFFFF
        serial = own if own > 1 and (saved is None or is_later(own, serial)) else serial
        yield from records.save_serial(source.origin, serial, source.digest)
        return serial, dynamic

    def _moved(self) -> Steps[list[_Moved]]:
        """Find the zones that another process gave another serial."""
        moved = []
        for source in self._sources.values():
            saved = yield from records.serial(source.origin)
            if saved is not None and saved[0] != source.serial:
                moved.append(_Moved(source, *saved, (yield from records.of_zone(source.origin))))
        return moved

    def _take(self, moved: Sequence[_Moved]) -> None:
        for source, serial, digest, dynamic in moved:
            if self._sources.get(source.origin) is not source:
                # Its file was read anew meanwhile; the next look goes by that.
                continue
            if digest != source.digest:
                _log.warning("another node has another zone file or advertises another address", zone=source.origin)
            try:
                self._serve(source, serial, dynamic)
            except ConfigError as error:
                if self.failures.get(source.origin) != str(error):
                    self.failures[source.origin] = str(error)
                    _log.error("a zone cannot be served with its new records", zone=source.origin, error=str(error))
            else:
                self.failures.pop(source.origin, None)

    def _serve(self, source: _Source, serial: int, dynamic: Sequence[DynamicRecord]) -> None:
        zone = build(source.origin, source.records, dynamic, serial=serial, file=source.file)
        source.serial = serial
        if "dns" in self._config.roles:
            self._catalog.put(zone)
        for auth in auth_zones_in(self._config, source.origin):
            self._serve_auth(auth, source, serial)

    def _serve_auth(self, auth: str, source: _Source, serial: int) -> None:
        """Serve an auth zone, unless the zone file gives it to another server.

        Beside a foreign server of the domain it is its own name server, whose address the other one has as glue.
        """
        is_parent_here = "dns" in self._config.roles
        if is_parent_here and not implied.delegates_to_us(auth, source.origin, source.records):
            self._catalog.remove(auth)
            return
        apex = implied.auth_zone(
            auth,
            f"ns1.{source.origin}" if is_parent_here else auth,
            address=self._address,
            ttl=int(self._config.dns.ttl),
            negative_ttl=int(self._config.dns.negative_ttl),
        )
        self._catalog.put(TxtZone.build(auth, apex, serial=serial, source=self._values[auth]))


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
