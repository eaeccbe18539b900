"""Zones for the tests that are signed here."""

from __future__ import annotations

from collections.abc import Callable

from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.dnssec.seal import Keys, Seal
from zonemint.dns.dnssec.signing import Lifetimes
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone
from zonemint.dns.zones.zonefile import parse

__all__ = ["LIFETIME", "NOW", "TEXT", "make", "seal"]

NOW = 1_800_000_000
LIFETIME = 14 * 86_400

TEXT = """$TTL 300
@ SOA ns1 hostmaster 7 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
@ MX 10 Mail
mail A 192.0.2.2
www CNAME mail
a.b.c TXT "below two empty names"
*.wild TXT "any"
*.aliases CNAME www
x.*.odd TXT "below a wildcard that is empty"
child NS ns.child
child DS 12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE3EE2A5E4B8BA4C4E4C4A4F6B
ns.child A 192.0.2.3
insecure NS ns.insecure
ns.insecure A 192.0.2.4
moved DNAME elsewhere.test.
srv SRV 1 2 3 Mail
txt\\000bin TXT "odd"
"""


def seal(zone: Zone, *keys: SigningKey, lifetime: float = LIFETIME, clock: Callable[[], float] = lambda: NOW) -> Seal:
    """Sign a zone at once, with keys that the parent knows."""
    one = Seal(zone, Keys(keys, keys), Lifetimes.of(lifetime), 300, clock)
    for _ in one.begin():
        pass
    return one


def make(
    text: str = TEXT,
    *,
    origin: str = "lab.test",
    algorithm: Algorithm = Algorithm.ECDSAP256SHA256,
    clock: Callable[[], float] = lambda: NOW,
) -> tuple[Zone, SigningKey]:
    """Return a signed zone and its key."""
    zone = Zone.build(origin, [Record(r.name, r.ttl, r.type, r.data) for r in parse(text, origin, file="test")])
    key = SigningKey.generate(algorithm)
    seal(zone, key, clock=clock)
    return zone, key
