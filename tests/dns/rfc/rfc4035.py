"""RFC 4035 section 3.1.4.1: DS is the parent's to answer, wherever both zones are ours."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

HASH = "ab" * 32
PARENT = f"""\
@ 60 SOA ns h 1 3600 600 86400 60
@ 60 NS ns
ns 60 A 192.0.2.1
child 60 NS ns
child 60 DS 1 13 2 {HASH}
bare 60 NS ns
away 60 NS ns
away 60 DS 2 13 2 {HASH}
"""
CHILD = f"""\
@ 60 SOA ns.p.test. h 2 3600 600 86400 60
@ 60 NS ns.p.test.
@ 60 DS 9 13 2 {HASH}
grand 60 NS ns.p.test.
grand 60 DS 3 13 2 {HASH}
"""
GRAND = "@ 60 SOA ns.p.test. h 3 3600 600 86400 60\n@ 60 NS ns.p.test.\n"
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"
AWAY, NS = ["away 60 NS ns"], ["ns 60 A 192.0.2.1"]

TABLE = Table(
    "p.test",
    {"p.test": PARENT, "child.p.test": CHILD, "bare.p.test": GRAND, "grand.child.p.test": GRAND},
    {
        "DS from the parent, though the child is ours": Rule("child DS", "NOERROR aa", [f"child 60 DS 1 13 2 {HASH}"]),
        "NODATA from the parent": Rule("bare DS", "NOERROR aa", [], [SOA]),
        "DS at a cut to others": Rule("away DS", "NOERROR aa", [f"away 60 DS 2 13 2 {HASH}"]),
        "but below it a referral": Rule("x.away DS", "NOERROR", [], AWAY, NS),
        "and for other types": Rule("away DNSKEY", "NOERROR", [], AWAY, NS),
        "from the middle one of three": Rule("grand.child DS", "NOERROR aa", [f"grand.child 60 DS 3 13 2 {HASH}"]),
        "the topmost zone answers for itself": Rule("@ DS", "NOERROR aa", [], [SOA]),
        "NS from the child": Rule("child NS", "NOERROR aa", ["child 60 NS ns"], [], ["ns 60 A 192.0.2.1"]),
        "DS of a name that is no cut": Rule("ns DS", "NOERROR aa", [], [SOA]),
        "DS of no name": Rule("nothing DS", "NXDOMAIN aa", [], [SOA]),
    },
)
