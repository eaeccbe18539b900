"""RFC 3597: types that nobody knows are data like others."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = r"""
@ 60 SOA ns h 1 3600 600 86400 60
@ 60 NS ns
ns 60 A 192.0.2.1
new 60 TYPE65400 \# 3 abcdef
new 60 TYPE65401 \# 0
spaced 60 CLASS1 TYPE65400 \# 8 ( ab cd ef 01
  23456789 )
known 60 TYPE1 \# 4 c0000202
mail 60 MX \# 6 000a 02 6e 73 00
alias 60 CNAME new
*.wild 60 TYPE65400 \# 1 ff
pair 60 TYPE65400 \# 1 41
pair 60 TYPE65400 \# 1 61
srv 60 SRV 0 0 53 ns
"""
SOA = "@ 60 SOA ns h 1 3600 600 86400 60"

TABLE = Table(
    "new.test",
    {"new.test": ZONE},
    {
        "3: an unknown type": Rule("new TYPE65400", "NOERROR aa", [r"new 60 TYPE65400 \# 3 abcdef"]),
        "3: of no data": Rule("new TYPE65401", "NOERROR aa", [r"new 60 TYPE65401 \# 0 "]),
        "3: one that is not there": Rule("new TYPE65402", "NOERROR aa", [], [SOA]),
        "3: behind an alias": Rule(
            "alias TYPE65400", "NOERROR aa", ["alias 60 CNAME new", r"new 60 TYPE65400 \# 3 abcdef"]
        ),
        "3: by a wildcard": Rule("x.wild TYPE65400", "NOERROR aa", [r"x.wild 60 TYPE65400 \# 1 ff"]),
        "5: the class by number, data in words": Rule(
            "spaced TYPE65400", "NOERROR aa", [r"spaced 60 TYPE65400 \# 8 abcdef0123456789"]
        ),
        "5: a known type by number": Rule("known A", "NOERROR aa", ["known 60 A 192.0.2.2"]),
        "5: known data by number": Rule("mail MX", "NOERROR aa", ["mail 60 MX 10 ns."]),
        "6: of unknown data, letter case makes a difference": Rule(
            "pair TYPE65400", "NOERROR aa", [r"pair 60 TYPE65400 \# 1 41", r"pair 60 TYPE65400 \# 1 61"]
        ),
        "5: the question by number": Rule("known TYPE1", "NOERROR aa", ["known 60 A 192.0.2.2"]),
    },
    {
        "5: a length that is not the data's": ("@ 60 SOA a b 1 1 1 1 1\nx 60 TYPE65400 \\# 3 abcd\n", "wrong length"),
        "5: another class": ("@ 60 SOA a b 1 1 1 1 1\nx 60 CLASS3 A 192.0.2.1\n", "class CLASS3"),
        "5: data that the known type cannot have": ("@ 60 SOA a b 1 1 1 1 1\nx 60 A \\# 3 abcdef\n", "3 abcdef"),
        "6895 3.1: a type of questions": ("@ 60 SOA a b 1 1 1 1 1\nx 60 TYPE255 \\# 1 ab\n", "not a type of data"),
    },
)
