"""RFC 8020: NXDOMAIN says that nothing is below either, so a name with others below it is never NXDOMAIN."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = """\
@ 60 SOA ns h 1 3600 600 86400 60
@ 60 NS ns
ns 60 A 192.0.2.1
a.deep.empty.tree 60 A 192.0.2.2
*.wild.only 60 A 192.0.2.3
cut.below 60 NS ns
"""
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"

TABLE = Table(
    "eight.test",
    {"eight.test": ZONE},
    {
        "2: nothing there": Rule("nothing A", "NXDOMAIN aa", [], [SOA]),
        "2: nor below": Rule("x.nothing A", "NXDOMAIN aa", [], [SOA]),
        "3: an empty non-terminal": Rule("deep.empty.tree A", "NOERROR aa", [], [SOA]),
        "3: the one above it": Rule("empty.tree A", "NOERROR aa", [], [SOA]),
        "3: and the topmost": Rule("tree A", "NOERROR aa", [], [SOA]),
        "3: beside them": Rule("x.empty.tree A", "NXDOMAIN aa", [], [SOA]),
        "3: below the name that ends the branch": Rule("x.a.deep.empty.tree A", "NXDOMAIN aa", [], [SOA]),
        "3: above a wildcard": Rule("only A", "NOERROR aa", [], [SOA]),
        "3: just above it": Rule("wild.only A", "NOERROR aa", [], [SOA]),
        "3: above a cut": Rule("below A", "NOERROR aa", [], [SOA]),
        "3: for types nobody knows": Rule("tree TYPE65400", "NOERROR aa", [], [SOA]),
        "3: for ANY": Rule("tree ANY", "NOERROR aa", [], [SOA]),
        "3: for DS": Rule("tree DS", "NOERROR aa", [], [SOA]),
    },
)
