"""The validator's queue: what is here survives a restart, and is worked on until it is decided."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["Pending", "add", "listing", "remove"]


class Pending(NamedTuple):
    """A challenge that a client asked to have checked; `challenge_type` names it within its authorization."""

    authorization_id: str
    challenge_type: str


def add(pending: Pending, *, now: int) -> Steps[None]:
    """Owe a validation."""
    yield Sql("INSERT INTO validations VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", (*pending, now))


def remove(pending: Pending) -> Steps[None]:
    """Owe it no more."""
    yield Sql("DELETE FROM validations WHERE authorization_id = $1 AND challenge_type = $2", tuple(pending))


def listing() -> Steps[list[Pending]]:
    """Return what is owed, oldest first."""
    rows = yield Sql("SELECT authorization_id, challenge_type FROM validations ORDER BY requested_at")
    return [Pending(*row) for row in rows]
