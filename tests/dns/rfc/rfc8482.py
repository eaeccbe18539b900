"""RFC 8482: ANY gets one record set (section 4.1); negative answers are what they are for other types."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = """\
@ 60 SOA ns h 1 3600 600 86400 60
@ 60 NS ns
@ 60 A 192.0.2.9
ns 60 A 192.0.2.1
host 60 TXT "a long text is not what anybody wants"
host 60 A 192.0.2.2
host 60 AAAA 2001:db8::1
alias 60 CNAME host
cut 60 NS ns
cut 60 DS 1 13 2 abababababababababababababababababababababababababababababababab
*.wild 60 A 192.0.2.3
*.wild 60 AAAA 2001:db8::3
a.empty 60 A 192.0.2.4
big 60 MX 0 .
""" + "".join([f"big 60 TXT {n:02}{'x' * 200}\n" for n in range(20)])
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"

TABLE = Table(
    "any.test",
    {"any.test": ZONE},
    {
        "4.1: one record set, the smallest": Rule("host ANY", "NOERROR aa", ["host 60 A 192.0.2.2"]),
        "4.1: by TCP the same": Rule("host ANY tcp", "NOERROR aa", ["host 60 A 192.0.2.2"]),
        "4.1: of the apex too": Rule("@ ANY", "NOERROR aa", ["@ 60 A 192.0.2.9"]),
        "4.1: no truncation": Rule("big ANY", "NOERROR aa", ["big 60 MX 0 ."]),
        "4.3: an alias is a record set": Rule("alias ANY", "NOERROR aa", ["alias 60 CNAME host"]),
        "4: a wildcard": Rule("x.wild ANY", "NOERROR aa", ["x.wild 60 A 192.0.2.3"]),
        "4: at a cut it is the child's": Rule("cut ANY", "NOERROR", [], ["cut 60 NS ns"], ["ns 60 A 192.0.2.1"]),
        "4: an empty non-terminal": Rule("empty ANY", "NOERROR aa", [], [SOA]),
        "4: nothing": Rule("nothing ANY", "NXDOMAIN aa", [], [SOA]),
    },
)
