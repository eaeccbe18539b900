"""One line of an order's story: who asked whom for what, what came back, how long it took."""

from __future__ import annotations

import msgspec

__all__ = ["Event"]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened to an order, kept with the order and shown by `orders explain`.

    at: seconds since 1970; ms: how long it took; actor asked peer; what: a word of a small vocabulary
    (`order`, `challenge`, `dns-query`, `issued`, ...); detail: a sentence; data: facts as text.
    """

    at: float
    what: str
    actor: str
    peer: str = ""
    detail: str = ""
    ms: float | None = None
    data: dict[str, str] = {}
