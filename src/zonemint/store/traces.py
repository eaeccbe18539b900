"""The story of each order, kept with it and bounded in size."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from zonemint.core.ids import new_id
from zonemint.core.trace import Event
from zonemint.store.database import Sql, Steps

__all__ = ["append", "of_order"]

_EVENTS = 200  # at most, for one order: what comes later is dropped, the beginning explains more
_events = msgspec.json.Decoder(list[Event])


def append(order_id: str, events: Sequence[Event]) -> Steps[None]:
    """Add events to an order's story; past its bound they are dropped."""
    yield Sql(
        "INSERT INTO traces SELECT $1, $2, $3 WHERE (SELECT count(*) FROM traces WHERE order_id = $1) < $4",
        (order_id, new_id(), msgspec.json.encode(events).decode(), _EVENTS),
    )


def of_order(order_id: str) -> Steps[list[Event]]:
    """Return an order's story in the order of time; what two of its authorizations tell alike is told once."""
    rows = yield Sql("SELECT events FROM traces WHERE order_id = $1 ORDER BY id", (order_id,))
    events = [event for (text,) in rows for event in _events.decode(text)]
    told = {(event.at, event.what, event.detail): event for event in events}
    return sorted(told.values(), key=lambda event: event.at)
