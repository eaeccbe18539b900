"""RFC 6604: of a chain, AA speaks of the first name (section 2), and the rcode of the last (section 3)."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = """\
@ 60 SOA ns h 1 3600 600 86400 60
@ 60 NS ns
ns 60 A 192.0.2.1
here 60 CNAME ns
lost 60 CNAME nothing
far 60 CNAME lost
empty 60 CNAME ns
cut 60 NS ns
into 60 CNAME x.cut
out 60 CNAME www.elsewhere.
moved 60 DNAME gone
"""
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"

TABLE = Table(
    "six.test",
    {"six.test": ZONE},
    {
        "3: the last name has the data": Rule("here A", "NOERROR aa", ["here 60 CNAME ns", "ns 60 A 192.0.2.1"]),
        "3: the last name is not there": Rule("lost A", "NXDOMAIN aa", ["lost 60 CNAME nothing"], [SOA]),
        "3: however long the chain": Rule(
            "far A", "NXDOMAIN aa", ["far 60 CNAME lost", "lost 60 CNAME nothing"], [SOA]
        ),
        "3: the last name is there, but not the type": Rule("empty TXT", "NOERROR aa", ["empty 60 CNAME ns"], [SOA]),
        "3: behind a DNAME": Rule(
            "x.moved A", "NXDOMAIN aa", ["moved 60 DNAME gone", "x.moved 60 CNAME x.gone"], [SOA]
        ),
        "3: the last name is another server's to know": Rule("out A", "NOERROR aa", ["out 60 CNAME www.elsewhere."]),
        "2.1: AA though the chain ends in a referral": Rule(
            "into A", "NOERROR aa", ["into 60 CNAME x.cut"], ["cut 60 NS ns"], ["ns 60 A 192.0.2.1"]
        ),
        "2.1: no AA where the first name is below the cut": Rule(
            "x.cut A", "NOERROR", [], ["cut 60 NS ns"], ["ns 60 A 192.0.2.1"]
        ),
    },
)
