"""What a change of a zone was, as a value: for memos, journals, transfers and other processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, wire
from zonemint.dns.zones.records import Owned, RRset

__all__ = ["Changes", "Delta", "difference", "onto", "serial_of", "with_serial"]

Changes: TypeAlias = Mapping[tuple[bytes, int], RRset | None]
"""What stands at a name (lower-case wire form) and type after a change; None for nothing."""


class Delta(msgspec.Struct, frozen=True):
    """The records by which a zone under one serial differs from the same zone under another.

    apex: lower-case wire form; before, after: the SOA record sets, which are in neither list; removed, added: the
    records that went and that came, those of one name and type as a record set, in the order of RFC 1995 section 4. A
    record set whose TTL changed is in both lists, whole.
    """

    apex: bytes
    before: RRset
    after: RRset
    removed: tuple[Owned, ...]
    added: tuple[Owned, ...]

    @property
    def old_serial(self) -> int:
        """The serial that the change starts from."""
        return serial_of(self.before)

    @property
    def new_serial(self) -> int:
        """The serial that the change leads to."""
        return serial_of(self.after)

    @property
    def touched(self) -> set[tuple[bytes, int]]:
        """The names and types whose records are others now, the SOA's left out."""
        return {(owner, rrset.type) for rrsets in (self.removed, self.added) for owner, rrset in rrsets}


def difference(old: RRset | None, new: RRset | None) -> tuple[RRset | None, RRset | None]:
    """Return what goes and what comes when the one record set takes the place of the other; None for nothing."""
    if old is None or new is None or old.ttl != new.ttl:
        return old, new
    stood, stands = frozenset(old.data), frozenset(new.data)
    gone = tuple([one for one in old.data if one not in stands])
    come = tuple([one for one in new.data if one not in stood])
    return (
        RRset(old.type, old.ttl, gone) if gone else None,
        RRset(new.type, new.ttl, come) if come else None,
    )


def onto(delta: Delta, standing: Callable[[bytes, int], RRset | None]) -> Changes:
    """Return what a zone has after a change of which we were told, from what it has now.

    Raises ConfigError when the zone is another one than the change starts from.
    """
    changes: dict[tuple[bytes, int], RRset | None] = {(delta.apex, codes.SOA): delta.after}
    for owner, rrset in delta.removed:
        old = standing(owner, rrset.type)
        gone = frozenset(rrset.data)
        if old is None or not gone.issubset(old.data):
            raise ConfigError(
                f"{wire.name_to_text(owner)} {codes.type_to_text(rrset.type)} has no such record to remove"
            )
        left = tuple([one for one in old.data if one not in gone])
        changes[owner, rrset.type] = RRset(rrset.type, old.ttl, left) if left else None
    for owner, rrset in delta.added:
        key = (owner, rrset.type)
        old = changes[key] if key in changes else standing(*key)
        data = rrset.data if old is None else tuple(dict.fromkeys(old.data + rrset.data))
        changes[key] = RRset(rrset.type, rrset.ttl, data)
    return changes


def serial_of(soa: RRset) -> int:
    """Return the serial number in a SOA record set."""
    return int.from_bytes(soa.data[0][-20:-16], "big")


def with_serial(soa: RRset, serial: int) -> RRset:
    """Return a SOA record set with another serial number."""
    data = soa.data[0]
    return RRset(codes.SOA, soa.ttl, (data[:-20] + (serial & 0xFFFFFFFF).to_bytes(4, "big") + data[-16:],))
