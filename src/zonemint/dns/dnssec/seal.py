"""Signs a zone and keeps it so: each change takes its signatures and NSEC records along (RFC 4035 section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from zonemint.core.errors import ConfigError
from zonemint.dns import codes
from zonemint.dns.dnssec.keys import DELETE_CDNSKEY, DELETE_CDS, SigningKey
from zonemint.dns.dnssec.nsec import nsec
from zonemint.dns.dnssec.signing import Lifetimes, head, sign
from zonemint.dns.zones.canonical import order
from zonemint.dns.zones.delta import Changes, with_serial
from zonemint.dns.zones.records import Node, RRset, of_type, with_rrset
from zonemint.dns.zones.zone import Zone

__all__ = ["MADE", "Keys", "Seal"]

MADE = frozenset(
    {
        codes.RRSIG,
        codes.NSEC,
        codes.NSEC3,
        codes.NSEC3PARAM,
        codes.DNSKEY,
        codes.CDS,
        codes.CDNSKEY,
    }
)
"""Types whose records are made by who signs, and by nobody else."""

_AT_CUT = frozenset({codes.DS, codes.NSEC})
"""What is ours to sign at a name whose zone begins there (RFC 4035 section 2.2)."""


class Keys(NamedTuple):
    """The keys of a zone.

    signing: each signs everything; announced: those that the parent is asked to have DS records of (RFC 7344); leaving:
    it is asked to have none (RFC 8078).
    """

    signing: tuple[SigningKey, ...]
    announced: tuple[SigningKey, ...] = ()
    is_leaving: bool = False


class Seal:
    """What signs one zone; see `zones.zone.Sealer`.

    ttl: of the records about the keys, in seconds; due: when a part of the signatures is to be made anew (Unix time).
    """

    def __init__(self, zone: Zone, keys: Keys, lifetimes: Lifetimes, ttl: int, clock: Callable[[], float]) -> None:
        self._zone = zone
        self._lifetimes = lifetimes
        self._clock = clock
        self._ttl = ttl
        self._now = 0.0
        self._prepared: list[bytes] | None = None
        self._made: dict[tuple[bytes, bytes], bytes] = {}
        self.keys = keys
        self.due = 0

    @property
    def since(self) -> int:
        """Return from when on there would be these signatures (Unix time)."""
        return self._lifetimes.next_change(self._now) - self._lifetimes.step

    def check(self, type_: int) -> None:
        """Raise ConfigError for the types that are made here alone."""
        if type_ in MADE:
            made = codes.type_to_text(type_)
            raise ConfigError(f"zone {self._zone.origin} is signed by this server, which alone makes {made} records")

    def begin(self, old: Zone | None = None) -> Iterator[None]:
        """Sign a zone that nobody is served yet, in steps of a millisecond or so; raises ConfigError for a signed one.

        old: the same zone as it was until now, whose signatures are used again where they still hold.
        """
        zone = self._zone
        for at, (owner, node) in enumerate(zone.nodes.items()):
            if any(rrset.type in MADE for rrset in node):
                raise ConfigError(f"zone {zone.origin} is signed already; serve it as it is, without `dnssec`")
            if node and not self._is_below_cut(owner, {}):
                zone.nsec.add(owner)
            if at % 512 == 0:
                yield
        self._now = self._clock()
        self.due = self._lifetimes.next_change(self._now)
        drafts: dict[bytes, Node] = {zone.apex: self._apex(zone.nodes[zone.apex])}
        chain = sorted(zone.nsec, key=order)
        yield
        for at, owner in enumerate(chain):
            node = drafts.get(owner, zone.nodes[owner])
            following = chain[at + 1] if at + 1 < len(chain) else chain[0]
            known = old.nodes.get(owner, ()) if old is not None else ()
            zone.nodes[owner] = self._signed(owner, self._with_nsec(owner, node, following), known)
            if at % 16 == 0:
                yield
        zone.sealer = self

    def sealed(self, changes: Changes, serial: int) -> Changes:
        """Add to a change what it does to signatures and NSEC records; an empty one signs anew what is due."""
        zone = self._zone
        self._now = self._clock()
        drafts: dict[bytes, Node] = {}
        for (owner, type_), rrset in changes.items():
            drafts[owner] = with_rrset(drafts.get(owner, zone.nodes.get(owner, ())), type_, rrset)
        apex = drafts.get(zone.apex, zone.nodes[zone.apex])
        soa = of_type(apex, codes.SOA)
        assert soa is not None
        fresh = with_serial(soa, serial)
        drafts[zone.apex] = self._apex(with_rrset(apex, codes.SOA, fresh))
        touched = set(drafts)
        for owner, type_ in changes:
            if type_ == codes.DNAME or (type_ == codes.NS and owner != zone.apex):
                # What was below a cut may be ours now, and the other way round.
                touched.update([name for name in zone.nodes if name.endswith(owner)])
        if _negative_ttl(fresh) != zone.negative.ttl:
            touched.update(zone.nsec)
        touched |= self._chained(touched, drafts)
        if self._now >= self.due:
            self.due = self._lifetimes.next_change(self._now)
            touched.update(self._outdated(self._now) if self._prepared is None else self._prepared)
            self._prepared = None
        done: dict[tuple[bytes, int], RRset | None] = {}
        for owner in touched:
            old = zone.nodes.get(owner, ())
            node = drafts.get(owner, old)
            if owner in zone.nsec:
                node = self._with_nsec(owner, node, zone.nsec.next(owner), _negative_ttl(fresh))
                node = self._signed(owner, node, old)
            else:
                node = tuple([rrset for rrset in node if rrset.type not in MADE])
            for type_ in {rrset.type for rrset in (*old, *node)}:
                if (owner, type_) in changes or of_type(old, type_) != of_type(node, type_):
                    done[owner, type_] = of_type(node, type_)
        if self._prepared is None:
            self._made.clear()
        return done

    def _chained(self, touched: Iterable[bytes], drafts: dict[bytes, Node]) -> set[bytes]:
        """Let the chain have the names that it will have; return those whose next name is another one then."""
        chain = self._zone.nsec
        near: set[bytes] = set()
        for owner in touched:
            node = drafts.get(owner, self._zone.nodes.get(owner, ()))
            is_ours = any(one.type not in MADE for one in node) and not self._is_below_cut(owner, drafts)
            if is_ours == (owner in chain):
                continue
            near.add(chain.before(owner))
            if is_ours:
                chain.add(owner)
            else:
                chain.discard(owner)
        return near

    def prepare(self) -> Iterator[None]:
        """Make the signatures that are due, in steps of a millisecond or so, for the next change to take along."""
        now, due, names = self._clock(), self.due, []
        for at, owner in enumerate([*self._zone.nsec]):
            if at % 128 == 0:
                yield
            node = self._zone.nodes.get(owner, ())
            if not self._is_outdated(owner, node, now):
                continue
            names.append(owner)
            self._now = now
            made = of_type(self._signed(owner, node, node), codes.RRSIG)
            for data in made.data if made is not None else ():
                self._made[owner, data[:18]] = data
            if len(names) % 16 == 0:
                yield
        if self.due == due:
            self._prepared = names
        else:
            self._made.clear()  # a change came first, and has seen to it

    def _outdated(self, now: float) -> list[bytes]:
        """Find the names with signatures that are to be made anew."""
        return [owner for owner in self._zone.nsec if self._is_outdated(owner, self._zone.nodes[owner], now)]

    def _is_outdated(self, owner: bytes, node: Node, now: float) -> bool:
        rrsig = of_type(node, codes.RRSIG)
        for data in rrsig.data if rrsig is not None else ():
            start, end = self._lifetimes.span(owner, int.from_bytes(data[:2], "big"), now)
            if data[8:16] != (end & 0xFFFFFFFF).to_bytes(4, "big") + (start & 0xFFFFFFFF).to_bytes(4, "big"):
                return True
        return False

    def _is_below_cut(self, owner: bytes, drafts: dict[bytes, Node]) -> bool:
        """Tell whether a name is below a cut or a DNAME: what is there is glue, or not seen by anybody."""
        zone = self._zone
        while owner != zone.apex:
            owner = owner[1 + owner[0] :]
            for rrset in drafts.get(owner, zone.nodes.get(owner, ())):
                if rrset.type == codes.DNAME or (rrset.type == codes.NS and owner != zone.apex):
                    return True
        return False

    def _apex(self, node: Node) -> Node:
        """Return the apex with the records about the keys."""
        keys, ttl = self.keys, self._ttl
        dnskeys = tuple(sorted([key.dnskey for key in keys.signing]))
        cds = [DELETE_CDS] if keys.is_leaving else [key.ds(self._zone.apex)[0] for key in keys.announced]
        cdnskey = [DELETE_CDNSKEY] if keys.is_leaving else [key.dnskey for key in keys.announced]
        for type_, data in ((codes.DNSKEY, dnskeys), (codes.CDS, cds), (codes.CDNSKEY, cdnskey)):
            node = with_rrset(node, type_, RRset(type_, ttl, tuple(data)) if data else None)
        return node

    def _with_nsec(self, owner: bytes, node: Node, following: bytes, ttl: int | None = None) -> Node:
        plain = {rrset.type for rrset in node} - {codes.RRSIG, codes.NSEC}
        if owner != self._zone.apex and codes.NS in plain:
            plain &= {codes.NS, codes.DS}
        record = nsec(following, plain, self._zone.negative.ttl if ttl is None else ttl)
        return with_rrset(node, codes.NSEC, record)

    def _signed(self, owner: bytes, node: Node, known: Node) -> Node:
        """Return a node with its signatures, those of the known one where they say the same."""
        is_cut = owner != self._zone.apex and of_type(node, codes.NS) is not None
        standing = of_type(known, codes.RRSIG)
        made: dict[bytes, bytes] = {}
        for data in standing.data if standing is not None else ():
            made[data[:18]] = data
        signatures = []
        for rrset in node:
            if rrset.type == codes.RRSIG or (is_cut and rrset.type not in _AT_CUT):
                continue
            is_same = _is_same(of_type(known, rrset.type), rrset)
            span = self._lifetimes.span(owner, rrset.type, self._now)
            for key in self.keys.signing:
                begin = head(key, owner, rrset, self._zone.apex, span)
                again = (made.get(begin[:18]) or self._made.get((owner, begin[:18]))) if is_same else None
                signatures.append(again or sign(key, owner, rrset, begin))
        return with_rrset(node, codes.RRSIG, RRset(codes.RRSIG, 0, tuple(signatures)))


def _is_same(old: RRset | None, new: RRset) -> bool:
    return old is not None and old.ttl == new.ttl and sorted(old.data) == sorted(new.data)


def _negative_ttl(soa: RRset) -> int:
    return min(soa.ttl, int.from_bytes(soa.data[0][-4:], "big"))
