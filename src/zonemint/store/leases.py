"""Leases: work that one node at a time does, until it lets go or is not heard of any more.

A lease spares work and decides nothing: clocks differ, so what must not happen twice is also under a `Lock`, or in a
statement that only one can win.
"""

from __future__ import annotations

from zonemint.store.database import Sql, Steps

__all__ = ["release", "take"]


def take(name: str, holder: str, *, now_ms: int, until_ms: int) -> Steps[bool]:
    """Hold a lease until then if it is free, has run out, or is the holder's already; tell whether it is held."""
    rows = yield Sql(
        "INSERT INTO leases (name, holder, until_ms) VALUES ($1, $2, $4) ON CONFLICT (name) DO UPDATE "
        "SET holder = excluded.holder, until_ms = excluded.until_ms "
        "WHERE leases.holder = excluded.holder OR leases.until_ms <= $3 RETURNING name",
        (name, holder, now_ms, until_ms),
    )
    return bool(rows)


def release(holder: str) -> Steps[None]:
    """Let go of all leases of a holder."""
    yield Sql("DELETE FROM leases WHERE holder = $1", (holder,))
