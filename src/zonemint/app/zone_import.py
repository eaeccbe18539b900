"""Whole zone files against what is served: what they would change, and their records taken into the store."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from zonemint.app.contents import canonical
from zonemint.app.dynamic import change
from zonemint.app.zone_list import nearest, plan_of, plans
from zonemint.app.zone_reading import ZoneFiles, around, fixed_records
from zonemint.config import Config, DataDir, advertised
from zonemint.core.errors import ConfigError
from zonemint.core.names import parent
from zonemint.dns import codes
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.records import Record
from zonemint.store import records
from zonemint.store.database import Database
from zonemint.store.records import DynamicRecord

__all__ = ["Difference", "Imported", "bring", "differences", "read"]


class Imported(NamedTuple):
    """How many records were new, got another TTL, and were there already."""

    new: int
    changed: int
    there: int


class Difference(NamedTuple):
    """A record that only one of two zones has."""

    added: bool
    record: Record


def read(file: Path, origin: str) -> list[Record]:
    """Read the records of a zone file, wherever it is; raises ConfigError with the line."""
    if not file.exists():
        raise ConfigError("there is no such file", file=file)
    return zonefile.as_text(ZoneFiles(file).entries(origin))


async def bring(db: Database, config: Config, data: DataDir, zone: str, file: Path, *, actor: str, by: str) -> Imported:
    """Make the records of a file dynamic ones of a zone, all or none; the SOA stays out.

    What the zone's own file says or implies is there already. Raises ConfigError with the line, also for a record that
    lies in another zone of ours.
    """
    plan = plan_of(config, data, zone)
    found = [one for one in read(file, zone) if one.type != "SOA"]
    zones = plans(config, data)
    beside = around(config, data, plan, zones)
    fixed = {_key(one) for one in fixed_records(config, plan, advertised(config.listen), beside)}
    ours = {*zones, *config.auth_zones}
    for one in found:
        if _key(one) not in fixed:
            _check_belongs(ours, zone, one, file)
    dynamic = {_key(one): one for one in await db.read(records.of_zone(zone))}
    # Of one name and type the lowest TTL counts (RFC 2181 section 5.2).
    ttls: dict[tuple[str, str], int] = {}
    for one in found:
        ttls[one.name, one.type] = min(one.ttl, ttls.get((one.name, one.type), one.ttl))
    now_ms = int(time.time() * 1000)
    wanted = {
        _key(one): DynamicRecord(zone, one.name, one.type, one.data, ttls[one.name, one.type], now_ms, by)
        for one in found
        if _key(one) not in fixed
    }
    new = [one for key, one in wanted.items() if key not in dynamic]
    changed = [one for key, one in wanted.items() if key in dynamic and dynamic[key].ttl != one.ttl]
    if new or changed:
        old = [dynamic[_key(one)] for one in changed]
        await change(db, config, data, zone, actor=actor, add=[*new, *changed], remove=old)
    return Imported(len(new), len(changed), len({_key(one) for one in found}) - len(new) - len(changed))


def differences(old: Iterable[Record], new: Iterable[Record]) -> list[Difference]:
    """Return what has to go from the one and to come to be the other, name by name; the SOA's serial does not count."""
    before, after = ({_whole(one): one for one in some} for some in (old, new))
    found = [Difference(False, one) for key, one in before.items() if key not in after]
    found += [Difference(True, one) for key, one in after.items() if key not in before]
    return sorted(found, key=_order)


def _check_belongs(zones: Container[str], zone: str, record: Record, file: Path) -> None:
    name = record.name.removeprefix("*.")
    # What is said of a zone below by the zone above it.
    place = nearest(parent(name) if record.type in ("DS", "NS") and name != zone else name, zones)
    if place != zone:
        what = f"{record.name} lies in {place or 'no zone of ours'}, not in {zone}"
        raise ConfigError(what, file=file, line=record.line)


def _order(one: Difference) -> tuple[list[str], str, bool, str]:
    return one.record.name.split(".")[::-1], one.record.type, one.added, one.record.data


def _key(record: Record | DynamicRecord) -> tuple[str, str, str]:
    return record.name, record.type, canonical(record)


def _whole(record: Record) -> tuple[str, int, str, str]:
    data = canonical(record)
    if codes.type_from_text(record.type) == codes.SOA:
        words: Sequence[str] = data.split()
        data = " ".join([*words[:2], *words[3:]])
    return record.name, record.ttl, record.type, data
