"""The validator's queue: what is here survives a restart or a node, and is worked on until it is decided."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["Pending", "add", "prolong", "release", "remove", "take"]


class Pending(NamedTuple):
    """A challenge that a client asked to have checked; `challenge_type` names it within its authorization."""

    authorization_id: str
    challenge_type: str


def add(pending: Pending, *, now: int, holder: str, until_ms: int) -> Steps[None]:
    """Owe a validation, which the holder works on; others leave it alone until then."""
    yield Sql(
        "INSERT INTO validations (authorization_id, challenge_type, requested_at, holder, until_ms) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        (*pending, now, holder, until_ms),
    )


def remove(pending: Pending) -> Steps[None]:
    """Owe it no more."""
    yield Sql("DELETE FROM validations WHERE authorization_id = $1 AND challenge_type = $2", tuple(pending))


def take(holder: str, *, now_ms: int | None, until_ms: int, limit: int) -> Steps[list[Pending]]:
    """Take up what nobody works on, oldest first; without a time, what anybody but the holder works on."""
    free = "holder <> $1" if now_ms is None else "until_ms <= $4"
    rows = yield Sql(
        "UPDATE validations SET holder = $1, until_ms = $2 WHERE (authorization_id, challenge_type) IN "
        f"(SELECT authorization_id, challenge_type FROM validations WHERE {free} "
        "ORDER BY requested_at LIMIT $3 FOR UPDATE SKIP LOCKED) "
        "RETURNING authorization_id, challenge_type",
        (holder, until_ms, limit) if now_ms is None else (holder, until_ms, limit, now_ms),
    )
    return [Pending(*row) for row in rows]


def prolong(holder: str, *, until_ms: int) -> Steps[None]:
    """Keep others away from all that the holder works on, for longer."""
    yield Sql("UPDATE validations SET until_ms = $2 WHERE holder = $1", (holder, until_ms))


def release(holder: str) -> Steps[None]:
    """Let others take up at once what the holder did not finish."""
    yield Sql("UPDATE validations SET until_ms = 0 WHERE holder = $1", (holder,))
