"""What changed in each zone's dynamic records under which serial, so that nobody has to read all of them again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zonemint.store.database import Sql, Steps

__all__ = ["ZoneChange", "note", "since"]

_KEPT = 1024  # serials of a zone
_MOST = 4096  # rows that are taken over at once; beyond, all records are read
_SWEEP = 64  # serials between two removals of old ones


class ZoneChange(msgspec.Struct, frozen=True):
    """A record that came or went; see DynamicRecord."""

    added: bool
    name: str
    type: str
    data: str
    ttl: int


def note(zone: str, serial: int, changes: Sequence[ZoneChange]) -> Steps[None]:
    """Keep what a zone's new serial stands for; each record is there once as removed and once as added at most."""
    for one in changes:
        yield Sql(
            "INSERT INTO zone_changes (zone, serial, added, name, type, data, ttl) VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "ON CONFLICT (zone, serial, added, name, type, data) DO NOTHING",
            (zone, serial, int(one.added), one.name, one.type, one.data, one.ttl),
        )
    if serial % _SWEEP == 0:
        # Those beyond are from before the serial wrapped around.
        yield Sql(
            "DELETE FROM zone_changes WHERE zone = $1 AND (serial <= $2 OR serial > $3)", (zone, serial - _KEPT, serial)
        )


def since(zone: str, serial: int, newest: int) -> Steps[list[ZoneChange] | None]:
    """Return what happened after a serial up to the newest, in order; None when it is not all here, or too much."""
    rows = yield Sql(
        "SELECT serial, added, name, type, data, ttl FROM zone_changes "
        f"WHERE zone = $1 AND serial > $2 AND serial <= $3 ORDER BY serial, added LIMIT {_MOST}",
        (zone, serial, newest),
    )
    if len(rows) == _MOST or len({row[0] for row in rows}) != newest - serial:
        return None
    return [ZoneChange(bool(row[1]), *row[2:]) for row in rows]
