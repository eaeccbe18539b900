"""The fixed records of a zone, from its file and what it implies; and the zone that they and dynamic ones make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zonemint.app.zone_list import Plan
from zonemint.config import Config
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones import implied, zonefile
from zonemint.dns.zones.overlay import Edit
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone
from zonemint.store.records import DynamicRecord

__all__ = ["build", "edit_of", "fixed_records"]


def fixed_records(config: Config, plan: Plan, address: str) -> list[Record]:
    """Return the records of a zone's file, if there is one, and what they imply; raises ConfigError with the line.

    address: that of the implied hosts; a record with a line is from the file, one without is implied.
    """
    try:
        given = zonefile.parse(plan.file.read_text(encoding="utf-8"), plan.origin, file=plan.file)
    except FileNotFoundError:
        given = []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the zone file cannot be read: {error}", file=plan.file) from error
    types: dict[str, set[str]] = {}
    for record in given:
        types.setdefault(record.name, set()).add(record.type)
    added = implied.private_zone(
        plan.origin,
        lambda name: types.get(name, ()),
        server=plan.server,
        hosts=plan.hosts,
        cuts=(*plan.auth, *plan.cuts),
        address=address,
        ttl=int(config.dns.ttl),
        negative_ttl=int(config.dns.negative_ttl),
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


def edit_of(name: str, type_: str, ttl: int, data: str, *, added: bool = True) -> Edit:
    """Return a dynamic record that comes or goes in wire form; raises ConfigError."""
    number = codes.type_from_text(type_)
    return Edit(added, wire.name_from_text(name), number, ttl, rdata.from_text(number, data))
