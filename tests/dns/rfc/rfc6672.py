"""RFC 6672: the table of section 2.2 line by line, what may stand beside and below, and the made CNAME."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

LONG = ".".join(["l" * 60] * 3)

ROOT = """\
@ 60 SOA ns.test. h.test. 1 3600 600 86400 60
@ 60 NS ns.test.
ns.test. 60 A 192.0.2.1
one.example.com. 600 DNAME example.net.
example.net. 60 A 192.0.2.2
a.example.net. 60 A 192.0.2.3
a.b.example.net. 60 A 192.0.2.4
foo.example.net. 60 TXT "foo"
b.two.com. 600 DNAME example.net.
x.three.com. 600 DNAME example.net.
four.com. 600 DNAME y.example.net.
a.y.example.net. 60 A 192.0.2.5
cyc.com. 600 DNAME cyc.com.
c.grow.com. 600 DNAME x.c.grow.com.
x. 600 DNAME .
shortloop. 60 TXT "here"
own. 600 DNAME example.net.
own. 60 A 192.0.2.6
own. 60 TXT "own"
long. 600 DNAME LONG.
many. 600 DNAME one.example.com.
to-alias. 600 DNAME aliases.
x.aliases. 60 CNAME a.example.net.
alias. 60 CNAME x.own.
away. 600 DNAME cut.
cut. 60 NS ns.test.
Case. 600 DNAME Example.NET.
""".replace("LONG", LONG)

APEX = "@ 60 SOA ns.test. h.test. 1 3600 600 86400 60\n@ 60 NS ns.test.\n@ 600 DNAME example.net.\n@ 60 TXT top\n"

SOA = ". 60 SOA ns.test. h.test. 1 3600 600 86400 60"

TABLE = Table(
    ".",
    {".": ROOT, "apex": APEX},
    {
        "2.2: com. is above one.example.com.": Rule("com. A", "NOERROR aa", [], [SOA]),
        "2.2: the owner itself, by another type": Rule("one.example.com. A", "NOERROR aa", [], [SOA]),
        "2.2: the owner itself, by DNAME": Rule(
            "one.example.com. DNAME", "NOERROR aa", ["one.example.com. 600 DNAME example.net."]
        ),
        "2.2: a label below": Rule(
            "a.one.example.com. A",
            "NOERROR aa",
            [
                "one.example.com. 600 DNAME example.net.",
                "a.one.example.com. 600 CNAME a.example.net.",
                "a.example.net. 60 A 192.0.2.3",
            ],
        ),
        "2.2: two labels below": Rule(
            "a.b.one.example.com. A",
            "NOERROR aa",
            [
                "one.example.com. 600 DNAME example.net.",
                "a.b.one.example.com. 600 CNAME a.b.example.net.",
                "a.b.example.net. 60 A 192.0.2.4",
            ],
        ),
        "2.2: ab.two.com. is not below b.two.com.": Rule("ab.two.com. A", "NXDOMAIN aa", [], [SOA]),
        "2.2: foo, by another type": Rule(
            "foo.one.example.com. A",
            "NOERROR aa",
            ["one.example.com. 600 DNAME example.net.", "foo.one.example.com. 600 CNAME foo.example.net."],
            [SOA],
        ),
        "2.2: the labels of the owner go": Rule(
            "a.x.three.com. A",
            "NOERROR aa",
            [
                "x.three.com. 600 DNAME example.net.",
                "a.x.three.com. 600 CNAME a.example.net.",
                "a.example.net. 60 A 192.0.2.3",
            ],
        ),
        "2.2: those of the target come": Rule(
            "a.four.com. A",
            "NOERROR aa",
            [
                "four.com. 600 DNAME y.example.net.",
                "a.four.com. 600 CNAME a.y.example.net.",
                "a.y.example.net. 60 A 192.0.2.5",
            ],
        ),
        "2.2: a DNAME to itself": Rule(
            "a.cyc.com. A", "NOERROR aa", ["cyc.com. 600 DNAME cyc.com.", "a.cyc.com. 600 CNAME a.cyc.com."]
        ),
        "2.2: a name that grows is followed a bounded time": Rule("a.c.grow.com. A", "NOERROR aa", counts=(10, 0, 0)),
        "2.2: shortloop.x.x. to shortloop.x. to shortloop.": Rule(
            "shortloop.x.x. TXT",
            "NOERROR aa",
            [
                "x. 600 DNAME .",
                "shortloop.x.x. 600 CNAME shortloop.x.",
                "shortloop.x. 600 CNAME shortloop.",
                'shortloop. 60 TXT "here"',
            ],
        ),
        "2.3: other types at the owner": Rule("own. A", "NOERROR aa", ["own. 60 A 192.0.2.6"]),
        "2.3: at the apex of a zone, beside SOA and NS": Rule("apex. TXT", "NOERROR aa", ['apex. 60 TXT "top"']),
        "2.3: below the apex": Rule(
            "a.apex. A",
            "NOERROR aa",
            ["apex. 600 DNAME example.net.", "a.apex. 600 CNAME a.example.net.", "a.example.net. 60 A 192.0.2.3"],
        ),
        "2.4: nothing of the owner's own for what is below": Rule(
            "x.own. TXT",
            "NXDOMAIN aa",
            ["own. 600 DNAME example.net.", "x.own. 600 CNAME x.example.net."],
            [SOA],
        ),
        "3.1: the made CNAME has the TTL of the DNAME": Rule(
            "a.one.example.com. CNAME",
            "NOERROR aa",
            ["one.example.com. 600 DNAME example.net.", "a.one.example.com. 600 CNAME a.example.net."],
        ),
        "2.2: a name that becomes too long is YXDOMAIN": Rule(
            "q" * 63 + "." + "q" * 9 + ".long. A", "YXDOMAIN aa", [f"long. 600 DNAME {LONG}."]
        ),
        "3.2: back to step 1, to another DNAME": Rule(
            "a.many. A",
            "NOERROR aa",
            [
                "many. 600 DNAME one.example.com.",
                "a.many. 600 CNAME a.one.example.com.",
                "one.example.com. 600 DNAME example.net.",
                "a.one.example.com. 600 CNAME a.example.net.",
                "a.example.net. 60 A 192.0.2.3",
            ],
        ),
        "3.2: back to step 1, to a CNAME": Rule(
            "x.to-alias. A",
            "NOERROR aa",
            [
                "to-alias. 600 DNAME aliases.",
                "x.to-alias. 600 CNAME x.aliases.",
                "x.aliases. 60 CNAME a.example.net.",
                "a.example.net. 60 A 192.0.2.3",
            ],
        ),
        "3.2: a CNAME may lead to a DNAME": Rule(
            "alias. A",
            "NXDOMAIN aa",
            ["alias. 60 CNAME x.own.", "own. 600 DNAME example.net.", "x.own. 600 CNAME x.example.net."],
            [SOA],
        ),
        "3.2: and a DNAME below a cut": Rule(
            "a.away. A",
            "NOERROR aa",
            ["away. 600 DNAME cut.", "a.away. 600 CNAME a.cut."],
            ["cut. 60 NS ns.test."],
            ["ns.test. 60 A 192.0.2.1"],
        ),
        "3.2: ANY goes on as well": Rule(
            "foo.one.example.com. ANY",
            "NOERROR aa",
            [
                "one.example.com. 600 DNAME example.net.",
                "foo.one.example.com. 600 CNAME foo.example.net.",
                'foo.example.net. 60 TXT "foo"',
            ],
        ),
        "2.2: letter case makes no difference": Rule(
            "A.cAsE. CNAME", "NOERROR aa", ["case. 600 DNAME Example.NET.", "a.case. 600 CNAME a.example.net."]
        ),
    },
    {
        "2.4: two DNAMEs": ("@ 60 SOA a b 1 1 1 1 1\nx 60 DNAME y\nx 60 DNAME z\n", "DNAME"),
        "2.4: a CNAME beside": ("@ 60 SOA a b 1 1 1 1 1\nx 60 DNAME y\nx 60 CNAME z\n", "CNAME"),
    },
)
