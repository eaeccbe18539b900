"""How far each hook has come in each source of events."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Sql, Steps

__all__ = ["Cursor", "begin", "cursors", "move"]


class Cursor(msgspec.Struct, frozen=True):
    """A row; `told` and `given_up` count events, `error` is what the last attempt ended with, `retry_ms` is a time."""

    hook: str
    source: str
    position: str
    attempts: int = 0
    retry_ms: int = 0
    error: str = ""
    told: int = 0
    given_up: int = 0


_COLUMNS = "hook, source, position, attempts, retry_ms, error, told, given_up"


def cursors(hook: str | None = None) -> Steps[list[Cursor]]:
    """Return the cursors of a hook, or of all."""
    where, args = ("", ()) if hook is None else ("WHERE hook = $1 ", (hook,))
    rows = yield Sql(f"SELECT {_COLUMNS} FROM hook_cursors {where}ORDER BY hook, source", args)
    return [Cursor(*row) for row in rows]


def begin(cursor: Cursor) -> Steps[None]:
    """Begin at a position, unless the hook has been somewhere in this source before."""
    yield Sql(
        f"INSERT INTO hook_cursors ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        msgspec.structs.astuple(cursor),
    )


def move(cursor: Cursor, *, frm: str) -> Steps[bool]:
    """Write where a hook is now, if it is still where it was; tell whether it was.

    A node that was taken for gone and is not cannot take another one back.
    """
    rows = yield Sql(
        "UPDATE hook_cursors SET position = $3, attempts = $4, retry_ms = $5, error = $6, told = $7, given_up = $8 "
        "WHERE hook = $1 AND source = $2 AND position = $9 RETURNING hook",
        (*msgspec.structs.astuple(cursor), frm),
    )
    return bool(rows)
