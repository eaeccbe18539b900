"""Keys that sign zones, and how far each is in being taken into use or out of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from zonemint.store import records, zone_changes
from zonemint.store.database import Lock, Row, Sql, Steps

__all__ = ["DnssecKey", "State", "insert", "listing", "move", "of_zone", "remove", "touch", "touched"]


class State(StrEnum):
    """What becomes of a key, which signs everything in every state.

    NEW: until every cache has forgotten what was there without it; READY: until the parent has its DS record; KNOWN:
    until every cache has that one, and the keys before it go; ACTIVE: as long as nobody wants another one; LEAVING:
    until the parent has no DS record any more; LEFT: until every cache has forgotten it.
    """

    NEW = "new"
    READY = "ready"
    KNOWN = "known"
    ACTIVE = "active"
    LEAVING = "leaving"
    LEFT = "left"


class DnssecKey(msgspec.Struct, frozen=True):
    """A row; `private` is the key in PKCS #8, times are in seconds."""

    zone: str
    tag: int
    algorithm: str
    private: bytes
    state: State
    created_at: int
    since: int
    until: int | None = None

    def __repr__(self) -> str:
        return f"DnssecKey({self.zone}, {self.tag}, {self.state})"


_COLUMNS = "zone, tag, algorithm, private, state, created_at, since, until"


def of_zone(zone: str) -> Steps[tuple[DnssecKey, ...]]:
    """Return the keys of a zone, the oldest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM dnssec_keys WHERE zone = $1 ORDER BY created_at, tag", (zone,))
    return tuple(map(_key, rows))


def listing() -> Steps[list[DnssecKey]]:
    """Return every key, by zone."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM dnssec_keys ORDER BY zone, created_at, tag")
    return [_key(row) for row in rows]


def insert(key: DnssecKey) -> Steps[None]:
    """Add a key."""
    yield Sql(
        f"INSERT INTO dnssec_keys ({_COLUMNS}, signed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)",
        (
            key.zone,
            key.tag,
            key.algorithm,
            key.private,
            key.state.value,
            key.created_at,
            key.since,
            key.until,
        ),
    )


def move(key: DnssecKey, state: State, *, now: int, until: int | None = None) -> Steps[bool]:
    """Let a key be in a state until some time; False, with nothing done, when it is not as it was any more."""
    rows = yield Sql(
        "UPDATE dnssec_keys SET since = CASE WHEN state = $3 THEN since ELSE $4 END, state = $3, until = $5 "
        "WHERE zone = $1 AND tag = $2 AND state = $6 RETURNING tag",
        (key.zone, key.tag, state.value, now, until, key.state.value),
    )
    return bool(rows)


def remove(key: DnssecKey) -> Steps[bool]:
    """Remove a key, with its private part; False, with nothing done, when it is not as it was any more."""
    rows = yield Sql(
        "DELETE FROM dnssec_keys WHERE zone = $1 AND tag = $2 AND state = $3 RETURNING tag",
        (key.zone, key.tag, key.state.value),
    )
    return bool(rows)


def touched(zone: str, at: int) -> Steps[bool]:
    """Note that a zone's signatures are made anew for some time; False when that was noted before."""
    rows = yield Sql(
        "UPDATE dnssec_keys SET signed_at = $2 WHERE zone = $1 AND signed_at < $2 RETURNING tag", (zone, at)
    )
    return bool(rows)


def touch(zone: str) -> Steps[None]:
    """Give a zone another serial, in each view where it has one, since its keys or signatures are others."""
    for origin in sorted((yield from records.serials())):
        if origin == zone or origin.endswith(f"/{zone}"):
            yield Lock(f"zone {origin}")
            yield from zone_changes.note(origin, (yield from records.bump(origin)), [])


def _key(row: Row) -> DnssecKey:
    zone, tag, algorithm, private, state, created_at, since, until = row
    return DnssecKey(zone, tag, algorithm, bytes(private), State(state), created_at, since, until)
