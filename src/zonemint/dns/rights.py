"""What the holder of a key may do: which records of which zones it may change, and whether it may transfer zones."""

from __future__ import annotations

from typing import NamedTuple, Self

import msgspec

from zonemint.core.errors import BadName
from zonemint.dns import wire

__all__ = ["NamePattern", "Rights"]


class NamePattern(NamedTuple):
    """Names with a common beginning and end (wire form); without an end the beginning is the one name that is meant."""

    start: bytes
    end: bytes | None

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a name in which one label may be `*`, for one label or more in its place; raises BadName."""
        labels = text.removesuffix(".").split(".")
        if "*" not in labels:
            return cls(wire.name_from_text(text), None)
        at = labels.index("*")
        before, after = ".".join(labels[:at]), ".".join(labels[at + 1 :])
        if "*" in labels[at + 1 :]:
            raise BadName(f"'{text}' has more than one * in it")
        start = wire.name_from_text(before)[:-1] if before else b""
        return cls(start, wire.name_from_text(after) if after else wire.ROOT)

    def holds(self, name: bytes) -> bool:
        """Tell whether a name in lower-case wire form is meant."""
        if self.end is None:
            return name == self.start
        if not name.startswith(self.start):
            return False
        at = len(self.start)
        while name[at]:
            at += 1 + name[at]
            if name[at:] == self.end:
                return True
        return False


class Rights(msgspec.Struct, frozen=True):
    """Of a key that says nothing: none.

    names: whose records it may change; types: of which types alone, none for all that can be; zones: in which zones
    alone (lower-case wire form), none for all; transfer: whether it may have whole zones.
    """

    names: tuple[NamePattern, ...] = ()
    types: frozenset[int] = frozenset()
    zones: frozenset[bytes] = frozenset()
    transfer: bool = False

    def may_update(self, zone: bytes, name: bytes, type_: int) -> bool:
        """Tell whether records of a name and type in a zone may be changed; names in lower-case wire form."""
        if (self.zones and zone not in self.zones) or (self.types and type_ not in self.types):
            return False
        return any(pattern.holds(name) for pattern in self.names)

    def may_transfer(self, zone: bytes) -> bool:
        """Tell whether a zone may be transferred as a whole; its apex in lower-case wire form."""
        return self.transfer and (not self.zones or zone in self.zones)
