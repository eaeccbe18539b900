"""Puts a zone's names together, record by record, as fast and as small as a zone of a million records needs."""

from __future__ import annotations

from collections.abc import Iterator

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones.canonical import Chain
from zonemint.dns.zones.records import Node, RRset, check_node, of_type, with_rrset

__all__ = ["Filling"]

_SPECIAL = frozenset({codes.CNAME, codes.DNAME, codes.NS, codes.NSEC, codes.NSEC3, codes.SOA})
_SHARED = 65_536  # nodes that are looked for among those of other names
_LARGE = 32  # records of a set from which on it is kept apart until all are there
_STRIDE = 512


class Filling:
    """Names and their record sets, and what is known of the names beside.

    nodes: what is at each name, empty non-terminals included; children: how many names are right below each; cuts:
    names below the apex with NS records; redirections: names with a DNAME record; nsec, nsec3: names with such records.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.apex = wire.name_from_text(origin)
        self.nodes: dict[bytes, Node] = {self.apex: ()}
        self.children: dict[bytes, int] = {}
        self.cuts: set[bytes] = set()
        self.redirections: set[bytes] = set()
        self.nsec = Chain()
        self.nsec3 = Chain()
        self._shared: dict[tuple[int, int, bytes], Node] = {}
        self._large: dict[tuple[bytes, int], tuple[dict[bytes, None], int]] = {}
        self._lines: dict[bytes, int] = {}

    def add(self, owner: bytes, type_: int, ttl: int, data: bytes, line: int = 0) -> None:
        """Add a record, in wire form, the owner in lower case; raises ConfigError when it lies outside the zone.

        Of one name and type the lowest TTL counts for all (RFC 2181 section 5.2), and what comes twice is there once.
        """
        if type_ == codes.RRSIG:
            ttl = 0  # each has its own, see `ttl_of`
        node = self.nodes.get(owner)
        if node:
            self._beside(owner, node, type_, ttl, data)
            self._lines[owner] = line
            return
        if node is None:
            self._make(owner)
        # Many names have the same records, and what is equal takes memory once.
        alike = (type_, ttl, data)
        node = self._shared.get(alike)
        if node is None:
            if len(self._shared) >= _SHARED:
                self._shared.clear()
            node = self._shared[alike] = (RRset(type_, ttl, (data,)),)
        self.nodes[owner] = node
        if type_ in _SPECIAL:
            self._lines[owner] = line

    def check(self) -> Iterator[None]:
        """Find out whether all can be served together, in steps of a millisecond or so; to be called at the end.

        Raises ConfigError, with the line of the last record of the name that is wrong.
        """
        for (owner, type_), (data, ttl) in self._large.items():
            self.nodes[owner] = with_rrset(self.nodes[owner], type_, RRset(type_, ttl, rdata.unique(type_, data)))
            yield
        for number, (owner, line) in enumerate(self._lines.items()):
            node = self.nodes[owner]
            try:
                check_node(owner, self.apex, node)
            except ConfigError as error:
                raise ConfigError(error.detail, line=line) from None
            if owner != self.apex and of_type(node, codes.NS) is not None:
                self.cuts.add(owner)
            if of_type(node, codes.DNAME) is not None:
                self.redirections.add(owner)
            if of_type(node, codes.NSEC) is not None:
                self.nsec.add(owner)
            if of_type(node, codes.NSEC3) is not None:
                self.nsec3.add(owner)
            if number % _STRIDE == 0:
                yield
        if of_type(self.nodes[self.apex], codes.SOA) is None:
            raise ConfigError(f"zone {self.origin}: it has no SOA record")

    def _beside(self, owner: bytes, node: Node, type_: int, ttl: int, data: bytes) -> None:
        rrset = of_type(node, type_)
        if rrset is None:
            self.nodes[owner] = (*node, RRset(type_, ttl, (data,)))
        elif (large := self._large.get((owner, type_))) is not None:
            large[0][data] = None
            if ttl < large[1]:
                self._large[owner, type_] = (large[0], ttl)
        elif len(rrset.data) >= _LARGE:
            self._large[owner, type_] = (dict.fromkeys((*rrset.data, data)), min(ttl, rrset.ttl))
        else:
            both = rdata.unique(type_, (*rrset.data, data))
            self.nodes[owner] = with_rrset(node, type_, RRset(type_, min(ttl, rrset.ttl), both))

    def _make(self, owner: bytes) -> None:
        """Make a name and those above it (RFC 4592 section 2.2.2)."""
        nodes = self.nodes
        missing = [owner]
        above = owner
        while True:
            if not above[0]:
                raise ConfigError(f"{wire.name_to_text(owner)} is outside of the zone {self.origin}")
            above = above[1 + above[0] :]
            if above in nodes:
                break
            missing.append(above)
        for name in missing:
            nodes[name] = ()
            parent = name[1 + name[0] :]
            self.children[parent] = self.children.get(parent, 0) + 1
