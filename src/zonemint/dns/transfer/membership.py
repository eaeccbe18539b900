"""Catalogs: a zone whose records say which zones a secondary is to have (RFC 9432)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.delta import Changes
from zonemint.dns.zones.records import Record, RRset
from zonemint.dns.zones.zone import Zone

__all__ = ["change", "changes", "members", "records"]

_VERSIONS = (rdata.txt("1"), rdata.txt("2"))
"""That of drafts, which others still write, and that of the RFC (section 4.2.1); what we read is the same in both."""

_ZONES = b"\x05zones"
_TTL = 0


def records(origin: str) -> Iterator[Record]:
    """Yield what a catalog of ours has besides its members (sections 4.1 and 4.2.1); nobody resolves names in it."""
    yield Record(origin, _TTL, "SOA", "invalid. invalid. 1 3600 600 2147483646 0")
    yield Record(origin, _TTL, "NS", "invalid.")
    yield Record(f"version.{origin}", _TTL, "TXT", '"2"')


def changes(zone: Zone, wanted: Mapping[bytes, str]) -> Changes:
    """Return what makes exactly these zones the members of a catalog of ours; none where they are already.

    wanted: the group (section 4.3.2) of each zone, by its apex; empty for none.
    """
    nodes: dict[tuple[bytes, int], RRset] = {}
    for apex, group in wanted.items():
        nodes |= {key: rrset for key, rrset in _entry(zone, apex, group).items() if rrset is not None}
    above = _ZONES + zone.apex
    stands = {
        (owner, rrset.type): rrset
        for owner, node in zone.nodes.items()
        for rrset in node
        if owner != above and owner.endswith(above)
    }
    gone = dict.fromkeys(stands.keys() - nodes.keys())
    return {**gone, **{key: rrset for key, rrset in nodes.items() if stands.get(key) != rrset}}


def change(zone: Zone, apex: bytes, group: str | None) -> Changes:
    """Return what makes one zone a member of a catalog of ours, in a group as in `changes`; None: no member."""
    return {key: rrset for key, rrset in _entry(zone, apex, group).items() if zone.rrset(*key) != rrset}


def _entry(zone: Zone, apex: bytes, group: str | None) -> Changes:
    """Return what stands in a catalog of ours for a zone."""
    member = bytes((40,)) + sha256(apex).hexdigest()[:40].encode() + _ZONES + zone.apex
    return {
        (member, codes.PTR): None if group is None else RRset(codes.PTR, _TTL, (apex,)),
        (b"\x05group" + member, codes.TXT): RRset(codes.TXT, _TTL, (rdata.txt(group),)) if group else None,
    }


def members(zone: Zone) -> dict[bytes, bytes]:
    """Return the zones that a catalog of others lists, by apex, with the label that each is listed under.

    Raises ForeignDataError for a catalog that may not be gone by (section 5.1).
    """
    version = zone.rrset(b"\x07version" + zone.apex, codes.TXT)
    if version is None or len(version.data) != 1 or version.data[0] not in _VERSIONS:
        raise ForeignDataError(f"{zone.origin} is no catalog of version 2")
    above = _ZONES + zone.apex
    found: dict[bytes, bytes] = {}
    for owner, node in zone.nodes.items():
        if owner[1 + owner[0] :] != above:
            continue
        for rrset in node:
            if rrset.type != codes.PTR:
                continue
            apex, _ = wire.read_name(rrset.data[0], 0)
            if len(rrset.data) > 1 or apex.lower() in found:
                # Of each it is unclear which one is meant, so nothing of the catalog is (section 4.1).
                raise ForeignDataError(f"{zone.origin} lists a zone twice, or two zones under one label")
            found[apex.lower()] = owner[1 : 1 + owner[0]]
    return found
