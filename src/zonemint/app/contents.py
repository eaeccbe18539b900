"""What a zone serves, record by record, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from zonemint.app.zone_list import Kind, Plan, every, plan_of
from zonemint.app.zone_reading import ZoneFiles, around, build, fixed_records
from zonemint.config import Config, DataDir, advertised
from zonemint.dns import codes, rdata
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone
from zonemint.store import records
from zonemint.store.database import Database
from zonemint.store.records import DynamicRecord

__all__ = ["Content", "canonical", "contents"]


class Content(msgspec.Struct, frozen=True):
    """A record as it is served, and its source: a line (from 1) of the zone file, nobody, or `by` whom it was made."""

    name: str
    ttl: int
    type: str
    data: str
    source: Literal["file", "implied", "dynamic", "copied"]
    file: str | None = None
    line: int | None = None
    by: str | None = None


async def contents(
    db: Database,
    config: Config,
    data: DataDir,
    zone: str,
    *,
    file: Path | None = None,
    zones: Mapping[str, Plan] | None = None,
) -> tuple[list[Content], int | None]:
    """Return the records of a zone in canonical order, the SOA first (RFC 4034 section 6), and its serial.

    file: what to read instead of the zone's own file; zones: all that there are, if they are known. The serial is that
    which the zone was last served with; None if it never was. Raises ConfigError, StoreError.
    """
    zones = every(config, data) if zones is None else zones
    plan = zones.get(zone) or plan_of(config, data, zone)
    if plan.kind is Kind.SECONDARY:
        return _copied(plan)
    if file is not None:
        plan = plan._replace(file=file)
    sources = [(await _built(db, config, data, zones[one], zones))[0] for one in plan.sources if one in zones]
    built, fixed, dynamic, serial = await _built(db, config, data, plan, zones, sources)
    served = built.records()
    given: list[Record | DynamicRecord] = [*dynamic, *fixed]
    origins = {_key(one.name, one.type, canonical(one)): one for one in given}

    def content(record: Record) -> Content:
        source = origins[_key(record.name, record.type, record.data)]
        what = (record.name, record.ttl, record.type, record.data)
        if isinstance(source, DynamicRecord):
            return Content(*what, "dynamic", by=source.created_by)
        return Content(*what, "file", str(plan.file), source.line) if source.line else Content(*what, "implied")

    return sorted(map(content, served), key=_order), serial


def _copied(plan: Plan) -> tuple[list[Content], int | None]:
    """Return the records of the copy that a secondary zone has on disk; a running server may be a few seconds ahead."""
    if not plan.file.exists():
        return [], None
    zone = Zone.build(plan.origin, zonefile.as_text(ZoneFiles(plan.file).entries(plan.origin)))
    found = [Content(one.name, one.ttl, one.type, one.data, "copied") for one in zone.records()]
    return sorted(found, key=_order), zone.serial


async def _built(
    db: Database, config: Config, data: DataDir, plan: Plan, zones: Mapping[str, Plan], sources: Sequence[Zone] = ()
) -> tuple[Zone, list[Record], list[DynamicRecord], int | None]:
    """Build a zone; return it with the records that it is made of, and its serial in the store."""
    beside = around(config, data, plan, zones, sources)
    fixed = fixed_records(config, plan, advertised(config.listen), beside)
    dynamic = await db.read(records.of_zone(plan.key))
    saved = await db.read(records.serial(plan.key))
    serial = None if saved is None else saved[0]
    return build(plan.origin, fixed, dynamic, serial=serial, file=plan.file), fixed, dynamic, serial


def canonical(record: Record | DynamicRecord) -> str:
    """Write a record's data as a zone does that holds them in wire form."""
    type_ = codes.type_from_text(record.type)
    wire = rdata.from_text(type_, record.data)
    return rdata.to_text(type_, wire, 0, len(wire))


def _key(name: str, type_: str, data: str) -> tuple[str, str, str]:
    # There is one SOA, and its serial is not the source's.
    return name, type_, "" if type_ == "SOA" else data


def _order(content: Content) -> tuple[list[str], int, int, str]:
    number = codes.type_from_text(content.type)
    return content.name.split(".")[::-1], number != codes.SOA, number, content.data
