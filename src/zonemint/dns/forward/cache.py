"""What others said, for as long as it holds: bounded in bytes, and popular answers survive a flood of random names.

New answers queue up in a small part of the room. When the room is full, the oldest there goes, unless it was asked for
again: then it moves into the main part, where each is given another turn as long as it is asked for (S3-FIFO, Yang and
others, 2023). A hit moves nothing.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TypeAlias

import msgspec

from zonemint.dns import codes
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.forward.counts import CacheCounts
from zonemint.dns.forward.replies import ttl_offsets

__all__ = ["Cache", "Entry", "Key", "key_of"]

Key: TypeAlias = bytes

_SMALL = 0.1
"""The part of the room for answers that nobody has asked for again yet."""
_OVERHEAD = 640
"""Bytes that an entry takes beside its own: objects, the table, the queue."""
_TURNS = 3
_TTL = Struct("!I")
_TYPE = Struct("!HB")
STALE_TTL = 30
"""Seconds for which others may keep an answer whose time is over (RFC 8767 section 4)."""


def key_of(question: Question) -> Key:
    """Return what answers are kept by: all that makes a question another one.

    The servers are part of it, for clients of another view may not see the zone that delegates the name to them.
    """
    flags = question.dnssec_ok | question.checking_disabled << 1
    return _TYPE.pack(question.type, flags) + question.name + b"".join(question.servers)


class Entry(msgspec.Struct, gc=False):
    """An answer, when it came and when its time is over, in seconds of a clock that only goes forward.

    hits: how often it was looked up of late; useless: from when on it is no longer given at all; refresh: from when on
    it may be asked for anew; retry: until when nobody is asked again, since nobody answered.
    """

    foreign: Foreign
    offsets: tuple[tuple[int, int], ...]
    since: float
    until: float
    useless: float
    refresh: float
    size: int
    hits: int = 0
    retry: float = 0.0
    is_main: bool = False
    age: int = -1
    aged: Foreign | None = None

    def at(self, now: float) -> Foreign:
        """Return the answer with the TTLs that are left of it."""
        age = int(now - self.since)
        if age == self.age and self.aged is not None:
            return self.aged
        tail = bytearray(self.foreign.tail)
        over = now >= self.until
        for offset, ttl in self.offsets:
            _TTL.pack_into(tail, offset, STALE_TTL if over else ttl - age)
        self.age = age
        self.aged = msgspec.structs.replace(self.foreign, tail=bytes(tail))
        return self.aged


class Cache:
    """Answers by question; size: bytes; stale: seconds for which they are kept when their time is over."""

    def __init__(self, size: int, *, stale: float = 0.0) -> None:
        self.counts = CacheCounts()
        self.size = size
        self.used = 0
        self._small_used = 0
        self._stale = stale
        self._entries: dict[Key, Entry] = {}
        self._small: deque[Key] = deque()
        self._main: deque[Key] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> Entry | None:
        """Return what is kept for a question, also when its time is over but not so long ago that it is of no use."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.useless:
            return None
        entry.hits += 1
        return entry

    def put(self, key: Key, name: bytes, foreign: Foreign, ttl: int, now: float) -> Entry:
        """Keep an answer about a name for `ttl` seconds, in place of an older one."""
        size = _OVERHEAD + len(key) + 2 * len(foreign.tail) + 80 * sum(foreign.counts) + len(foreign.error)
        offsets = ttl_offsets(name, foreign)
        stale = 0.0 if foreign.rcode == codes.SERVFAIL else self._stale
        entry = Entry(foreign, offsets, now, now + ttl, now + ttl + stale, now + ttl * 0.9, size)
        old = self._entries.get(key)
        if old is not None:
            entry.is_main, entry.hits = old.is_main, min(old.hits, 1)
            self._count(old, -old.size)
        else:
            self._small.append(key)
        self._entries[key] = entry
        self._count(entry, size)
        while self.used > self.size:
            self._evict()
        return entry

    def _count(self, entry: Entry, size: int) -> None:
        self.used += size
        if not entry.is_main:
            self._small_used += size

    def _evict(self) -> None:
        """Let one answer go, or give it another turn."""
        if self._small and (self._small_used > self.size * _SMALL or not self._main):
            key = self._small.popleft()
            entry = self._entries[key]
            if entry.hits:
                self._count(entry, -entry.size)
                entry.is_main, entry.hits = True, 0
                self._count(entry, entry.size)
                self._main.append(key)
                return
        else:
            key = self._main.popleft()
            entry = self._entries[key]
            if entry.hits:
                entry.hits = min(entry.hits, _TURNS) - 1
                self._main.append(key)
                return
        self._count(entry, -entry.size)
        del self._entries[key]
        self.counts.evictions += 1
