"""The story of each order, kept with it and bounded in size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from zonemint.core.ids import new_id
from zonemint.core.trace import Event
from zonemint.store.database import Sql, Steps

__all__ = ["append", "of_order"]

_ROWS = 1200  # of one order: more than it can have names
_MINOR = 100  # rows after which what matters less is dropped, so that nothing can crowd out how an order ended
_ROW = 32_768  # characters of one row
_STORY = 1_048_576  # characters of all of them, but for the last row
_events = msgspec.json.Decoder(list[Event])


def append(order_id: str, events: Sequence[Event], *, minor: bool = False) -> Steps[None]:
    """Add events to an order's story; past its bounds they are dropped, and those that are `minor` before.

    Of events that take more than a row has, the first and the last are kept.
    """
    yield Sql(
        "INSERT INTO traces SELECT $1, $2, $3 "
        "WHERE (SELECT count(*) < $4 AND coalesce(sum(length(events)), 0) < $5 FROM traces WHERE order_id = $1)",
        (order_id, new_id(), _row(events), _MINOR if minor else _ROWS, _STORY),
    )


def _row(events: Sequence[Event]) -> str:
    text = msgspec.json.encode(events).decode()
    if len(text) <= _ROW:
        return text
    *first, last = (msgspec.json.encode(event).decode() for event in events)
    room = _ROW - len(last)
    kept = [one for one, so_far in zip(first, accumulate(len(one) + 1 for one in first), strict=True) if so_far < room]
    return f"[{','.join((*kept, last))}]"


def of_order(order_id: str) -> Steps[list[Event]]:
    """Return an order's story in the order of time; what two of its authorizations tell alike is told once."""
    rows = yield Sql("SELECT events FROM traces WHERE order_id = $1 ORDER BY id", (order_id,))
    events = [event for (text,) in rows for event in _events.decode(text)]
    told = {(event.at, event.what, event.detail): event for event in events}
    return sorted(told.values(), key=lambda event: event.at)
