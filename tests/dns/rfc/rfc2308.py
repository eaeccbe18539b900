"""RFC 2308: what negative answers look like, and how long they hold."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = """\
@ 300 SOA ns1 hostmaster 1 3600 600 86400 1200
@ 300 NS ns1
ns1 300 A 192.0.2.1
an 60 CNAME tripple
real 60 CNAME host
host 60 A 192.0.2.2
wild.an.host 60 A 192.0.2.3
out 60 CNAME nothing.short.xx.
"""
SHORT = "@ 1200 SOA ns h 1 3600 600 86400 30\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
ZERO = "@ 1200 SOA ns h 1 3600 600 86400 0\n@ 60 NS ns\nns 60 A 192.0.2.1\n"

SOA = "@ 300 SOA ns1 hostmaster 1 3600 600 86400 1200"
SHORT_SOA = "short 30 SOA ns.short h.short 1 3600 600 86400 30"

TABLE = Table(
    "xx",
    {"xx": ZONE, "short.xx": SHORT, "zero.xx": ZERO},
    {
        "2.1: NXDOMAIN with the SOA": Rule("nothing A", "NXDOMAIN aa", [], [SOA]),
        "2.1: NXDOMAIN of the name that an alias leads to": Rule("an A", "NXDOMAIN aa", ["an 60 CNAME tripple"], [SOA]),
        "2.2: NODATA with the SOA": Rule("host TXT", "NOERROR aa", [], [SOA]),
        "2.2: NODATA at the apex": Rule("@ TXT", "NOERROR aa", [], [SOA]),
        "2.2: NODATA of an empty non-terminal": Rule("an.host TXT", "NOERROR aa", [], [SOA]),
        "2.2.1: NODATA behind an alias": Rule("real TXT", "NOERROR aa", ["real 60 CNAME host"], [SOA]),
        "3: the TTL is the SOA's own where that is smaller": Rule("nothing TXT", "NXDOMAIN aa", [], [SOA]),
        "3: the TTL is MINIMUM where that is smaller": Rule("nothing.short TXT", "NXDOMAIN aa", [], [SHORT_SOA]),
        "3: the SOA that is asked for has its own TTL": Rule(
            "short SOA", "NOERROR aa", ["short 1200 SOA ns.short h.short 1 3600 600 86400 30"]
        ),
        "3: the SOA is that of the zone where the chain ends": Rule(
            "out A", "NXDOMAIN aa", ["out 60 CNAME nothing.short"], [SHORT_SOA]
        ),
        "5: MINIMUM of 0 is not to be remembered": Rule(
            "nothing.zero A", "NXDOMAIN aa", [], ["zero 0 SOA ns.zero h.zero 1 3600 600 86400 0"]
        ),
        "3: by TCP too": Rule("nothing A tcp", "NXDOMAIN aa", [], [SOA]),
    },
)
