"""What a zone serves, record by record, and where each of them comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from zonemint.app.zone_list import plan_of
from zonemint.app.zone_reading import build, fixed_records
from zonemint.config import Config, DataDir, advertised
from zonemint.dns import codes, rdata
from zonemint.dns.zones.records import Record
from zonemint.store.records import DynamicRecord

__all__ = ["Content", "canonical", "contents"]


class Content(msgspec.Struct, frozen=True):
    """A record as it is served, and its source: a line (from 1) of the zone file, nobody, or `by` whom it was made."""

    name: str
    ttl: int
    type: str
    data: str
    source: Literal["file", "implied", "dynamic"]
    file: str | None = None
    line: int | None = None
    by: str | None = None


def contents(
    config: Config, data: DataDir, zone: str, dynamic: Sequence[DynamicRecord], *, serial: int | None
) -> list[Content]:
    """Return the records of a zone in canonical order, the SOA first (RFC 4034 section 6); raises ConfigError.

    serial: what the zone was last served with; None keeps the one that its records give.
    """
    plan = plan_of(config, data, zone)
    file = plan.file
    fixed = fixed_records(config, plan, advertised(config.listen))
    served = build(zone, fixed, dynamic, serial=serial, file=file).records()
    given: list[Record | DynamicRecord] = [*dynamic, *fixed]
    sources = {_key(one.name, one.type, canonical(one)): one for one in given}

    def content(record: Record) -> Content:
        source = sources[_key(record.name, record.type, record.data)]
        what = (record.name, record.ttl, record.type, record.data)
        if isinstance(source, DynamicRecord):
            return Content(*what, "dynamic", by=source.created_by)
        return Content(*what, "file", str(file), source.line) if source.line else Content(*what, "implied")

    return sorted(map(content, served), key=_order)


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
