"""Names in the canonical order of DNSSEC, in which each name is told the next one (RFC 4034 section 6.1)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from zonemint.dns import wire

__all__ = ["Chain", "order"]


def order(name: bytes) -> bytes:
    """Return what sorts as the name does: its labels from the right, each followed by a byte that sorts before all.

    name: lower-case wire form.
    """
    parts = list(wire.labels(name))
    parts.reverse()
    joined = b"\0".join(parts)
    if joined.count(0) >= len(parts) or b"\1" in joined:
        # A label's own bytes of these two values must not be taken for ends, and still sort where they should.
        return b"\0".join([part.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1") for part in parts])
    return joined


class Chain:
    """Names in canonical order, each of which has a next one; after the last comes the first.

    It is sorted when it is first asked, so that a zone is read without.
    """

    def __init__(self) -> None:
        self._names: dict[bytes, bytes] = {}
        self._sorted: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: bytes) -> bool:
        return order(name) in self._names

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._names.values())

    def add(self, name: bytes) -> None:
        """Let a name (lower-case wire form) be in it."""
        key = order(name)
        if key in self._names:
            return
        self._names[key] = name
        if self._sorted is not None:
            insort(self._sorted, key)

    def discard(self, name: bytes) -> None:
        """Let a name not be in it."""
        key = order(name)
        if self._names.pop(key, None) is not None and self._sorted is not None:
            del self._sorted[bisect_left(self._sorted, key)]

    def next(self, name: bytes) -> bytes:
        """Return the first name after another one; raises IndexError when there is none at all."""
        keys = self._keys()
        at = bisect_right(keys, order(name))
        return self._names[keys[at if at < len(keys) else 0]]

    def before(self, name: bytes) -> bytes:
        """Return the last name before another one; raises IndexError when there is none at all."""
        keys = self._keys()
        return self._names[keys[bisect_left(keys, order(name)) - 1]]

    def _keys(self) -> list[bytes]:
        if self._sorted is None:
            self._sorted = sorted(self._names)
        return self._sorted
