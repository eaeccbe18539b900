"""RFC 2181: record sets, their TTL, authority at cuts, TC, and names of any bytes."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = (
    r"""
@ 300 SOA ns h 1 3600 600 86400 60
@ 300 NS ns
ns 300 A 192.0.2.1
mixed 600 A 192.0.2.2
mixed 60 A 192.0.2.3
mixed 300 A 192.0.2.3
never 0 A 192.0.2.4
ever 2147483647 A 192.0.2.5
\000\255\032\@ 60 TXT "any bytes"
cut 60 NS ns.cut
cut 60 NS ns.elsewhere.
ns.cut 60 A 192.0.2.6
alias 60 CNAME real
real 60 A 192.0.2.7
real 60 MX 10 alias
"""
    + "".join([f"big 60 TXT {n:02}{'x' * 200}\n" for n in range(10)])
    + "".join([f"many 60 MX {n} host{n}\nhost{n} 60 A 192.0.2.{n}\n" for n in range(18)])
)
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"

TABLE = Table(
    "two.test",
    {"two.test": ZONE},
    {
        "5: a set is answered whole, and no record twice": Rule(
            "mixed A", "NOERROR aa", ["mixed 60 A 192.0.2.2", "mixed 60 A 192.0.2.3"]
        ),
        "5.2: one TTL for a set, of several the smallest": Rule(
            "mixed A tcp", "NOERROR aa", ["mixed 60 A 192.0.2.2", "mixed 60 A 192.0.2.3"]
        ),
        "8: a TTL of 0": Rule("never A", "NOERROR aa", ["never 0 A 192.0.2.4"]),
        "8: the largest TTL": Rule("ever A", "NOERROR aa", ["ever 2147483647 A 192.0.2.5"]),
        "6.1: the NS at a cut belong to the child": Rule(
            "cut NS",
            "NOERROR",
            [],
            ["cut 60 NS ns.cut", "cut 60 NS ns.elsewhere."],
            ["ns.cut 60 A 192.0.2.6"],
        ),
        "6.1: so does what is below": Rule(
            "x.cut SOA",
            "NOERROR",
            [],
            ["cut 60 NS ns.cut", "cut 60 NS ns.elsewhere."],
            ["ns.cut 60 A 192.0.2.6"],
        ),
        "9: TC where a needed set does not fit": Rule("big TXT", "NOERROR aa tc"),
        "9: whole by TCP": Rule("big TXT tcp", "NOERROR aa", counts=(10, 0, 0)),
        "9: TC where the client takes more, but no datagram of ours does": Rule("big TXT edns=4096", "NOERROR aa tc"),
        "9: no TC for additional records": Rule("many MX", "NOERROR aa", counts=(18, 0, 0)),
        "9: they come where there is room": Rule("many MX edns=1232", "NOERROR aa", counts=(18, 0, 18)),
        "10.1: an alias has no other data": Rule(
            "alias A", "NOERROR aa", ["alias 60 CNAME real", "real 60 A 192.0.2.7"]
        ),
        "10.3: the target of MX is no alias, and if it is, gets no address": Rule(
            "real MX", "NOERROR aa", ["real 60 MX 10 alias"]
        ),
        "11: any bytes make a name": Rule(r"\000\255\032\@ TXT", "NOERROR aa", [r'\000\255\032\@ 60 TXT "any bytes"']),
        "11: and another one is another": Rule(r"\000\254\032\@ TXT", "NXDOMAIN aa", [], [SOA]),
    },
    {
        "8: a TTL of 32 bits": ("@ 60 SOA a b 1 1 1 1 1\nx 2147483648 A 192.0.2.1\n", "2147483647"),
        "10.1: CNAME and other data": ("@ 60 SOA a b 1 1 1 1 1\nx 60 CNAME y\nx 60 A 192.0.2.1\n", "CNAME"),
        "10.1: two CNAMEs": ("@ 60 SOA a b 1 1 1 1 1\nx 60 CNAME y\nx 60 CNAME z\n", "CNAME"),
        "6.1: one SOA at the top": ("@ 60 SOA a b 1 1 1 1 1\n@ 60 SOA a b 2 1 1 1 1\n", "SOA"),
        "6.1: none below": ("@ 60 SOA a b 1 1 1 1 1\nx 60 SOA a b 1 1 1 1 1\n", "SOA"),
    },
)
