"""RFC 4592: the zone of section 2.2.1 with all that it and section 3.3.1 say of it, and each type at a wildcard."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = """\
$TTL 3600
@                  SOA ns.example.com. h.example.com. 1 3600 600 86400 3600
@                  NS  ns.example.com.
@                  NS  ns.example.net.
*                  TXT "this is a wildcard"
*                  MX  10 host1
sub.*              TXT "this is not a wildcard"
host1              A   192.0.2.1
_ssh._tcp.host1    SRV 0 0 22 host1
_ssh._tcp.host2    SRV 0 0 22 host1
subdel             NS  ns.example.com.
subdel             NS  ns.example.net.
"""
TYPES = """\
$TTL 60
@             SOA ns h 1 3600 600 86400 60
@             NS  ns
ns            A   192.0.2.1
*.alias       CNAME host
host          A   192.0.2.2
loop.alias    TXT "itself"
*.round       CNAME x.round
*.srv         SRV 0 0 80 host
*.ds          DS  1 13 2 abababababababababababababababababababababababababababababababab
x.*.empty     A   192.0.2.3
*.*.twice     A   192.0.2.4
\\*.escaped    A   192.0.2.5
*a.label      A   192.0.2.6
*.big.cut     TXT "below a cut"
big.cut       NS  ns
moved         DNAME wild
*.wild        A   192.0.2.7
"""
SOA = "@ 3600 SOA ns.example.com. h.example.com. 1 3600 600 86400 3600"
SOA2 = "t. 60 SOA ns.t. h.t. 1 3600 600 86400 60"
SUBDEL = ["subdel 3600 NS ns.example.com.", "subdel 3600 NS ns.example.net."]
HOST1 = ["host1 3600 A 192.0.2.1"]

TABLE = Table(
    "example",
    {"example": ZONE, "t": TYPES},
    {
        "2.2.1: host3.example. MX is synthesised": Rule(
            "host3 MX", "NOERROR aa", ["host3 3600 MX 10 host1"], [], HOST1
        ),
        "2.2.1: host3.example. A is NODATA": Rule("host3 A", "NOERROR aa", [], [SOA]),
        "2.2.1: foo.bar.example. TXT is synthesised": Rule(
            "foo.bar TXT", "NOERROR aa", ['foo.bar 3600 TXT "this is a wildcard"']
        ),
        "2.2.1: host1.example. MX is not, since the name exists": Rule("host1 MX", "NOERROR aa", [], [SOA]),
        "2.2.1: sub.*.example. MX is not, since the name exists": Rule("sub.* MX", "NOERROR aa", [], [SOA]),
        "2.2.1: _telnet._tcp.host1.example. SRV is not, since _tcp.host1 exists": Rule(
            "_telnet._tcp.host1 SRV", "NXDOMAIN aa", [], [SOA]
        ),
        "2.2.1: host.subdel.example. A is not, since subdel is a cut": Rule("host.subdel A", "NOERROR", [], SUBDEL),
        "2.2.1: ghost.*.example. MX is not, since *.example exists": Rule("ghost.* MX", "NXDOMAIN aa", [], [SOA]),
        "2.2.2: an empty non-terminal exists": Rule("_tcp.host2 SRV", "NOERROR aa", [], [SOA]),
        "2.2.2: and what is above it too": Rule("host2 A", "NOERROR aa", [], [SOA]),
        "2.1.1: a wildcard is a name like others when it is asked for": Rule(
            "* TXT", "NOERROR aa", ['* 3600 TXT "this is a wildcard"']
        ),
        "2.1.3: an asterisk that is not the first label": Rule(
            "sub.* TXT", "NOERROR aa", ['sub.* 3600 TXT "this is not a wildcard"']
        ),
        "2.1.1: no name that begins with the label's text": Rule(
            r"\*x TXT", "NOERROR aa", [r'*x 3600 TXT "this is a wildcard"']
        ),
        "3.3.1: closest encloser of host3.example.": Rule(
            "host3 TXT", "NOERROR aa", ['host3 3600 TXT "this is a wildcard"']
        ),
        "3.3.1: of _telnet._tcp.host1.example. it is _tcp.host1.example.": Rule(
            "_telnet._tcp.host1 TXT", "NXDOMAIN aa", [], [SOA]
        ),
        "3.3.1: of _dns._udp.host2.example. it is host2.example.": Rule(
            "_dns._udp.host2 TXT", "NXDOMAIN aa", [], [SOA]
        ),
        "3.3.1: of _telnet._tcp.host3.example. it is example.": Rule(
            "_telnet._tcp.host3 TXT", "NOERROR aa", ['_telnet._tcp.host3 3600 TXT "this is a wildcard"']
        ),
        "3.3.1: of _chat._udp.host3.example. too": Rule(
            "_chat._udp.host3 TXT", "NOERROR aa", ['_chat._udp.host3 3600 TXT "this is a wildcard"']
        ),
        "3.3.1: of foobar.*.example. it is *.example.": Rule("foobar.* TXT", "NXDOMAIN aa", [], [SOA]),
        "3.2: types are those of the wildcard, ANY one of them": Rule(
            "host3 ANY", "NOERROR aa", ["host3 3600 MX 10 host1"], [], HOST1
        ),
        "4.3: CNAME at a wildcard leads on": Rule(
            "x.alias.t. A", "NOERROR aa", ["x.alias.t. 60 CNAME host.t.", "host.t. 60 A 192.0.2.2"]
        ),
        "4.3: and is itself the answer for CNAME": Rule(
            "x.alias.t. CNAME", "NOERROR aa", ["x.alias.t. 60 CNAME host.t."]
        ),
        "4.3: not of a name that exists": Rule("loop.alias.t. A", "NOERROR aa", [], [SOA2]),
        "4.3: a loop through the wildcard ends": Rule(
            "a.round.t. A", "NOERROR aa", ["a.round.t. 60 CNAME x.round.t.", "x.round.t. 60 CNAME x.round.t."]
        ),
        "4.5: SRV at a wildcard": Rule(
            "x.srv.t. SRV", "NOERROR aa", ["x.srv.t. 60 SRV 0 0 80 host.t."], [], ["host.t. 60 A 192.0.2.2"]
        ),
        "4.6: DS at a wildcard makes no cut": Rule("x.ds.t. DS", "NOERROR aa", ["x.ds.t. 60 DS 1 13 2 " + "ab" * 32]),
        "4.9: a wildcard without data": Rule("y.empty.t. A", "NOERROR aa", [], [SOA2]),
        "4.9: and below it": Rule("z.*.empty.t. A", "NXDOMAIN aa", [], [SOA2]),
        "2.1.3: a wildcard below a wildcard": Rule("x.*.twice.t. A", "NOERROR aa", ["x.*.twice.t. 60 A 192.0.2.4"]),
        "2.1.1: an escaped asterisk is the same label": Rule(
            "x.escaped.t. A", "NOERROR aa", ["x.escaped.t. 60 A 192.0.2.5"]
        ),
        "2.1.1: a label that has more than the asterisk": Rule("xa.label.t. A", "NXDOMAIN aa", [], [SOA2]),
        "3.3.2: no wildcard across a cut": Rule(
            "x.big.cut.t. TXT", "NOERROR", [], ["big.cut.t. 60 NS ns.t."], ["ns.t. 60 A 192.0.2.1"]
        ),
        "3.3.1: a DNAME may lead to a wildcard": Rule(
            "x.moved.t. A",
            "NOERROR aa",
            ["moved.t. 60 DNAME wild.t.", "x.moved.t. 60 CNAME x.wild.t.", "x.wild.t. 60 A 192.0.2.7"],
        ),
    },
    {
        "4.1: SOA at a wildcard": ("@ 60 SOA a b 1 1 1 1 1\n* 60 SOA a b 1 1 1 1 1\n", "SOA"),
        "4.2: NS at a wildcard": ("@ 60 SOA a b 1 1 1 1 1\n*.x 60 NS a\n", "RFC 4592"),
        "4.4: DNAME at a wildcard": ("@ 60 SOA a b 1 1 1 1 1\n*.x 60 DNAME a\n", "RFC 4592"),
    },
)
