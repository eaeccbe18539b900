"""Changes to the dynamic records, checked against the whole zone before they are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zonemint.app.zone_list import check_is_ours, plan_of, plans
from zonemint.app.zone_reading import around, build, fixed_records
from zonemint.config import Config, DataDir, advertised
from zonemint.core.errors import ConfigError
from zonemint.core.hash_chain import Detail
from zonemint.dns import codes
from zonemint.dns.dnssec.seal import MADE
from zonemint.dns.zones.records import Record
from zonemint.store import audit, dnssec_keys, records, zone_changes
from zonemint.store.database import Database, Lock, Steps
from zonemint.store.records import DynamicRecord
from zonemint.store.zone_changes import ZoneChange

__all__ = ["change"]

_MADE = frozenset(map(codes.type_to_text, MADE))


async def change(
    db: Database,
    config: Config,
    data: DataDir,
    zone: str,
    *,
    actor: str,
    add: Sequence[DynamicRecord] = (),
    remove: Sequence[DynamicRecord] = (),
    also: Callable[[], Steps[None]] | None = None,
) -> bool:
    """Add and remove records of a zone, and do what belongs with it, in one transaction; tell whether one changed.

    It reads the zone's file, for it is made for commands; what serves the zone has `ZoneKeeper.change`.

    `actor` is who it was, for the audit log. Raises ConfigError, and changes nothing, when the zone with its file could
    not be served afterwards.
    """
    plan = plan_of(config, data, zone)
    check_is_ours(plan)
    file = plan.file
    beside = around(config, data, plan, plans(config, data))
    fixed = fixed_records(config, plan, advertised(config.listen), beside)

    there = {(one.name, one.type, one.data): one for one in fixed} if add else {}

    def steps() -> Steps[bool]:
        yield Lock(f"zone {zone}")
        made = next((one.type for one in (*add, *remove) if one.type in _MADE), None)
        if made is not None and (yield from dnssec_keys.of_zone(zone.rpartition("/")[2])):
            raise ConfigError(f"zone {zone} is signed by this server, which alone makes {made} records")
        facts: list[audit.Fact] = []
        changes: list[ZoneChange] = []
        for record in remove:
            if (yield from records.remove(zone, record.name, record.type, record.data)):
                facts += [_fact(audit.Kind.RECORD_REMOVED, actor, record)]
                changes.append(ZoneChange(False, record.name, record.type, record.data, record.ttl))
        for record in add:
            _check_is_new(record, there, file)
            if (yield from records.add(record)):
                facts += [_fact(audit.Kind.RECORD_ADDED, actor, record)]
                changes.append(ZoneChange(True, record.name, record.type, record.data, record.ttl))
        build(zone, fixed, (yield from records.of_zone(zone)), serial=None, file=file)
        if facts:
            yield from zone_changes.note(zone, (yield from records.bump(zone)), changes)
        if also is not None:
            yield from also()
        if facts:
            yield from audit.append(*facts, now=time.time())
        return bool(facts)

    return await db.write(steps())


def _fact(kind: audit.Kind, actor: str, record: DynamicRecord) -> audit.Fact:
    told: Detail = {"zone": record.zone, "type": record.type, "data": record.data, "ttl": record.ttl}
    return audit.Fact(kind, actor, record.name, told)


def _check_is_new(record: DynamicRecord, there: Mapping[tuple[str, str, str], Record], file: Path) -> None:
    one = there.get((record.name, record.type, record.data))
    if one is None:
        return
    if one.line:
        raise ConfigError(f"{record.name} {record.type} is in the zone file already", file=file, line=one.line)
    raise ConfigError(f"{record.name} {record.type} is implied already; it needs no record")
