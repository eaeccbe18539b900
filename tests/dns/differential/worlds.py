r"""Random zones that are legal but odd, some nested in others, and random questions about them.

Names are lists of labels in presentation form, so that `a\.b` is one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

__all__ = ["Question", "World", "ask_about", "make_world"]

_LABELS = ["a", "b", "c", "*", "d-e", "_tcp"]
_ODD = [r"x\.y", r"a\032b", r"\000", r"\200\255", "UPPER", r"\"", "l" * 63, "n" * 60, "1", "xn--a"]
_PLAIN_TYPES = ["A", "AAAA", "TXT", "MX", "SRV", "SVCB", "HTTPS", "NAPTR", "CAA", "TLSA", "SSHFP", "URI"]
_RARE_TYPES = ["PTR", "HINFO", "RP", "AFSDB", "KX", "LOC", "TYPE65400"]
_NEVER_THERE = ["DNSKEY", "NSEC", "SPF", "TYPE65401", "TYPE1000"]
_OUTSIDE = ["host.example.", "www.a.example.", "test.", "."]


@dataclass
class Zone:
    """One zone while it is made: its records, and what each name below its apex is."""

    origin: str
    lines: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)

    def add(self, owner: str, ttl: int, type_: str, data: str) -> None:
        self.lines.append(f"{owner} {ttl} IN {type_} {data}")


@dataclass(frozen=True)
class World:
    """Zones by origin as zone files, and names to ask about, absolute."""

    zones: dict[str, str]
    names: list[str]


@dataclass(frozen=True)
class Question:
    """A query; payload None is one without EDNS."""

    name: str
    type: str
    payload: int | None
    dnssec_ok: bool
    recursion_desired: bool

    def message(self) -> dns.message.QueryMessage:
        if self.payload is None:
            made = dns.message.make_query(self.name, self.type)
        else:
            made = dns.message.make_query(
                self.name, self.type, use_edns=0, payload=self.payload, want_dnssec=self.dnssec_ok
            )
        made.flags = dns.flags.RD if self.recursion_desired else dns.flags.Flag(0)
        return made

    def __str__(self) -> str:
        edns = "" if self.payload is None else f" +bufsize={self.payload}" + (" +dnssec" if self.dnssec_ok else "")
        return f"{self.name} {self.type}{edns}" + ("" if self.recursion_desired else " +norecurse")


def make_world(rng: random.Random, number: int) -> World:
    """Make a zone, and by chance zones below it: delegated, twice delegated, not delegated, with a DNAME on top."""
    top = Zone(f"w{number}.test")
    zones = [top]
    if rng.random() < 0.7:
        zones.append(child := Zone(f"k.{top.origin}"))
        _delegate(rng, top, "k", child.origin)
        if rng.random() < 0.6:
            zones.append(Zone(f"g.k.{top.origin}"))
            if rng.random() < 0.8:
                _delegate(rng, child, "g", f"g.k.{top.origin}")
    if rng.random() < 0.3:
        zones.append(Zone(f"solo.{top.origin}"))
    if rng.random() < 0.3:
        zones.append(Zone(f"deep.a.{top.origin}"))
    targets = [f"{label}.{zone.origin}." for zone in zones for label in ("a", "b", "c", "b.a", "ns", "nothing", "x.b")]
    targets += [f"{zone.origin}." for zone in zones] + _OUTSIDE
    for zone in zones:
        _fill(rng, zone, targets)
    if rng.random() < 0.4:
        zones.append(_renamed(rng, f"moved.{top.origin}", targets))
    names = [_absolute(owner, zone.origin) for zone in zones for owner in zone.kinds]
    names += [f"{zone.origin}." for zone in zones] + [f"nothing.{top.origin}.", f"big.{top.origin}."]
    return World({zone.origin: "\n".join(zone.lines) + "\n" for zone in zones}, sorted(set(names)))


def _absolute(owner: str, origin: str) -> str:
    return f"{origin}." if owner == "@" else f"{owner}.{origin}."


def _delegate(rng: random.Random, zone: Zone, owner: str, child: str) -> None:
    ttl = rng.choice([60, 600])
    zone.kinds[owner] = "cut"
    zone.add(owner, ttl, "NS", f"ns.{child}.")
    zone.add(f"ns.{child}.", ttl, "A", "192.0.2.7")
    if rng.random() < 0.5:
        zone.add(owner, ttl, "NS", f"ns.{zone.origin}.")
    if rng.random() < 0.5:
        zone.add(owner, 60, "DS", f"1 13 2 {'ab' * 32}")


def _apex(rng: random.Random, zone: Zone) -> None:
    minimum = rng.choice([0, 30, 600])
    host = f"ns.{zone.origin}."
    zone.add("@", rng.choice([60, 300]), "SOA", f"{host} Hostmaster.{zone.origin}. 1 3600 600 86400 {minimum}")
    zone.add("@", 300, "NS", host)
    zone.kinds["@"] = "apex"


def _renamed(rng: random.Random, origin: str, targets: Sequence[str]) -> Zone:
    """Make a zone that is nothing but a DNAME at its apex (RFC 6672 section 2.3)."""
    zone = Zone(origin)
    zone.add("@", 60, "SOA", f"ns.example. h.example. 1 3600 600 86400 {rng.choice([30, 600])}")
    zone.add("@", 60, "NS", "ns.example.")
    zone.add("@", 60, "DNAME", rng.choice(targets))
    zone.kinds["@"] = "dname"
    return zone


def _fill(rng: random.Random, zone: Zone, targets: Sequence[str]) -> None:
    _apex(rng, zone)
    zone.kinds["ns"] = "data"
    zone.add("ns", 300, "A", "192.0.2.1")
    if rng.random() < 0.5:
        zone.add("ns", 300, "AAAA", "2001:db8::1")
    if rng.random() < 0.3:
        _data(rng, zone, "@", targets)
    for _ in range(rng.randrange(8, 30)):
        owner = _owner(rng)
        above = [owner.split(".", level)[-1] for level in range(1, owner.count(".") + 1)]
        if owner in zone.kinds or any(zone.kinds.get(name) in {"cut", "dname"} for name in above):
            continue
        kind = rng.choice(["data", "data", "data", "alias", "alias", "cut", "dname"])
        # Neither may be a wildcard's, and nothing but glue may be below them.
        if kind in {"cut", "dname"} and (
            owner.startswith("*") or any(name.endswith("." + owner) for name in zone.kinds) or owner in {"a", "k"}
        ):
            kind = "data"
        zone.kinds[owner] = kind
        if kind == "alias":
            zone.add(owner, rng.choice([60, 600]), "CNAME", rng.choice(targets))
        elif kind == "dname":
            zone.add(owner, rng.choice([60, 600]), "DNAME", rng.choice(targets))
            if rng.random() < 0.3:
                zone.add(owner, 60, "A", "192.0.2.66")
        elif kind == "cut":
            _cut(rng, zone, owner, targets)
        else:
            _data(rng, zone, owner, targets)
    if rng.random() < 0.6 and "big" not in zone.kinds:
        _big(rng, zone)


def _owner(rng: random.Random) -> str:
    depth = rng.choice([1, 1, 2, 2, 3, 4])
    parts = [rng.choice(_LABELS if level == 0 or rng.random() < 0.1 else _LABELS[:3]) for level in range(depth)]
    if rng.random() < 0.15:
        parts[0] = rng.choice(_ODD)
    if rng.random() < 0.05:
        parts[-1] = rng.choice(_ODD)
    return ".".join(parts)


def _cut(rng: random.Random, zone: Zone, owner: str, targets: Sequence[str]) -> None:
    ttl = rng.choice([60, 600])
    for host in rng.sample(["ns", "ns.b", "outside", "sibling", "own"], rng.randrange(1, 4)):
        if host == "outside":
            zone.add(owner, ttl, "NS", "ns.example.")
        elif host == "sibling":
            zone.add(owner, ttl, "NS", rng.choice(targets))
        elif host == "own":
            zone.add(owner, ttl, "NS", f"ns.{zone.origin}.")
        else:
            zone.add(owner, ttl, "NS", f"{host}.{owner}")
            zone.add(f"{host}.{owner}", rng.choice([60, 900]), "A", "192.0.2.9")
            if rng.random() < 0.3:
                zone.add(f"{host}.{owner}", 60, "AAAA", "2001:db8::9")
            if rng.random() < 0.2:
                zone.add(f"{host}.{owner}", 60, "TXT", '"not ours to say"')
    if rng.random() < 0.4:
        zone.add(owner, 60, "DS", f"1 13 2 {'cd' * 32}")


def _data(rng: random.Random, zone: Zone, owner: str, targets: Sequence[str]) -> None:
    types = rng.sample(_PLAIN_TYPES, rng.randrange(1, 4)) + rng.sample(_RARE_TYPES, rng.choice([0, 0, 0, 1]))
    if rng.random() < 0.5 and "A" not in types:
        types.append("A")
    for type_ in types:
        ttl = rng.choice([0, 60, 600, 86400])
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            zone.add(owner, ttl, type_, _rdata(rng, type_, rng.choice(targets)))


def _rdata(rng: random.Random, type_: str, target: str) -> str:
    number = rng.randrange(1, 200)
    return {
        "A": f"192.0.2.{number}",
        "AAAA": f"2001:db8::{number:x}",
        "TXT": rng.choice([f'"{number}" "two"', r'"\"quoted\" \200"', '""', f'"{"y" * 255}"']),
        "MX": f"{number} {target}",
        "SRV": f"0 {number} 53 {target}",
        "SVCB": rng.choice([f"0 {target}", f"{number} {target} port={number}", f"{number} ."]),
        "HTTPS": rng.choice([f"0 {target}", f'{number} . alpn="h2,h3"', f"{number} {target} ipv4hint=192.0.2.1"]),
        "NAPTR": f'{number} 10 "S" "SIP+D2U" "" {target}',
        "CAA": f'0 issue "ca{number}.test"',
        "TLSA": f"3 1 1 {number:02x}{'ee' * 31}",
        "SSHFP": f"4 2 {number:02x}{'dd' * 31}",
        "URI": f'10 {number} "https://a.test/"',
        "PTR": target,
        "HINFO": f'"cpu{number}" "os"',
        "RP": f"admin{number}.test. {target}",
        "AFSDB": f"{number} {target}",
        "KX": f"{number} {target}",
        "LOC": f"52 22 {number % 60}.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",
        "TYPE65400": f"\\# 2 {number:04x}",
    }[type_]


def _big(rng: random.Random, zone: Zone) -> None:
    """Add answers that are too big for some clients or for any datagram, and records that lead to many addresses."""
    zone.kinds["big"] = "data"
    for number in range(rng.choice([20, 40, 70, 90])):  # BIND takes no more than 100
        zone.add("big", 60, "A", f"10.0.{number}.1")
    for number in range(rng.choice([2, 4, 6, 12])):
        zone.add("big", 60, "TXT", f'"{number}{"z" * 200}"')
    zone.add("big", 60, "MX", "10 big")
    zone.kinds["lots.big"] = "cut"
    for number in range(rng.choice([3, 15, 60])):
        zone.add("lots.big", 60, "NS", f"ns{number}.lots.big")
        zone.add(f"ns{number}.lots.big", 60, "A", f"10.1.{number}.1")


def ask_about(rng: random.Random, worlds: Sequence[World]) -> Question:
    """Make a question that has something to do with what is there."""
    world = rng.choice(worlds)
    name = rng.choice(world.names)
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        name = _altered(rng, name)
    if rng.random() < 0.3:
        name = "".join([c.upper() if rng.random() < 0.5 else c for c in name])
    type_ = _asked_type(rng)
    payload = rng.choice([None, None, 512, 700, 1232, 4096])
    return Question(name, type_, payload, payload is not None and rng.random() < 0.3, rng.random() < 0.5)


def _asked_type(rng: random.Random) -> str:
    if rng.random() < 0.35:
        return rng.choice(["A", "AAAA", "TXT", "MX"])
    others = ["ANY", "DS", "SOA", "NS", "DNAME", "CNAME"]
    return rng.choice(others * 3 + _PLAIN_TYPES + _RARE_TYPES + _NEVER_THERE)


def _altered(rng: random.Random, name: str) -> str:
    _, _, rest = name.partition(".")
    label = rng.choice(_LABELS + _ODD[:3] + ["ns", "q" * 63, "q" * 55])
    # An escaped dot makes a wrong cut here, which is as good a name as any, if it is one.
    made = rng.choice([f"{label}.{name}", f"{label}.{label}.{name}", f"{label}.{rest}", rest or name])
    try:
        dns.name.from_text(made)
    except dns.exception.DNSException:
        return name
    return made
