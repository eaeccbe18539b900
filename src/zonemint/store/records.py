"""DNS records beside the user's zone files, and the serial that each zone was last served with."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Sql, Steps

__all__ = [
    "DynamicRecord",
    "add",
    "aliases_to",
    "at",
    "bump",
    "named",
    "of_zone",
    "raise_serials",
    "remove",
    "save_serial",
    "serial",
    "serials",
]


class DynamicRecord(msgspec.Struct, frozen=True):
    """A row: `name` and those in `data` are absolute, `data` in presentation form, `ttl` seconds, `created_ms` ms."""

    zone: str
    name: str
    type: str
    data: str
    ttl: int
    created_ms: int
    created_by: str


_COLUMNS = "zone, name, type, data, ttl, created_ms, created_by"


def of_zone(zone: str) -> Steps[list[DynamicRecord]]:
    """Return a zone's dynamic records."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM records WHERE zone = $1 ORDER BY name, type, data", (zone,))
    return [DynamicRecord(*row) for row in rows]


def at(zone: str, name: str, type_: str) -> Steps[list[DynamicRecord]]:
    """Return one RRset of a zone's dynamic records."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM records WHERE zone = $1 AND name = $2 AND type = $3 ORDER BY data", (zone, name, type_)
    )
    return [DynamicRecord(*row) for row in rows]


def named(name: str, type_: str) -> Steps[list[DynamicRecord]]:
    """Return the dynamic records of a name and type, in whichever zone."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM records WHERE name = $1 AND type = $2", (name, type_))
    return [DynamicRecord(*row) for row in rows]


def aliases_to(target: str) -> Steps[list[DynamicRecord]]:
    """Return the dynamic records that lead to a name, in whichever zone."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM records WHERE type = 'CNAME' AND data = $1 ORDER BY name", (f"{target}.",)
    )
    return [DynamicRecord(*row) for row in rows]


def add(record: DynamicRecord) -> Steps[bool]:
    """Add a record; tell whether it was new."""
    rows = yield Sql(
        f"INSERT INTO records ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (zone, name, type, data) DO NOTHING RETURNING name",
        msgspec.structs.astuple(record),
    )
    return bool(rows)


def remove(zone: str, name: str, type_: str, data: str | None = None) -> Steps[int]:
    """Remove a record, or a whole RRset when no data is given; return how many went."""
    rows = yield Sql(
        "DELETE FROM records WHERE zone = $1 AND name = $2 AND type = $3 AND "
        "(CAST($4 AS TEXT) IS NULL OR data = $4) RETURNING name",
        (zone, name, type_, data),
    )
    return len(rows)


def serial(zone: str) -> Steps[tuple[int, str] | None]:
    """Return the serial that the zone was last served with and a hash of the content that it stood for."""
    rows = yield Sql("SELECT serial, content FROM zone_serials WHERE zone = $1", (zone,))
    return (rows[0][0], rows[0][1]) if rows else None


def serials() -> Steps[dict[str, tuple[int, str]]]:
    """Return what `serial` returns, of every zone."""
    rows = yield Sql("SELECT zone, serial, content FROM zone_serials")
    return {zone: (number, content) for zone, number, content in rows}


def bump(zone: str) -> Steps[int]:
    """Give a zone the next serial, since its dynamic records changed in this transaction; return it."""
    rows = yield Sql(
        "INSERT INTO zone_serials VALUES ($1, 1, '') "
        "ON CONFLICT (zone) DO UPDATE SET serial = (zone_serials.serial + 1) & 4294967295 RETURNING serial",
        (zone,),
    )
    number: int = rows[0][0]
    return number


def raise_serials(by: int) -> Steps[None]:
    """Move every zone's serial ahead, by less than 2^31, so that it counts as later (RFC 1982 section 3.2)."""
    yield Sql("UPDATE zone_serials SET serial = (serial + $1) & 4294967295", (by,))


def save_serial(zone: str, number: int, content: str) -> Steps[None]:
    """Record a serial before the zone is served with it."""
    yield Sql(
        "INSERT INTO zone_serials VALUES ($1, $2, $3) "
        "ON CONFLICT (zone) DO UPDATE SET serial = excluded.serial, content = excluded.content",
        (zone, number, content),
    )
