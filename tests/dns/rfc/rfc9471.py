"""RFC 9471: all glue for servers below the cut or TC (section 3.1); of other servers' addresses what fits (3.2)."""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ZONE = (
    """\
@ 60 SOA ns.other. h.other. 1 3600 600 86400 60
@ 60 NS ns.other.
foo 86400 NS ns1.foo
foo 86400 NS ns2.foo
ns1.foo 86400 A 192.0.2.1
ns1.foo 86400 AAAA 2001:db8::1
ns2.foo 86400 AAAA 2001:db8::2
bar 86400 NS ns1.bar
bar 86400 NS ns1.foo
ns1.bar 86400 A 192.0.2.3
deep 86400 NS ns.a.b.deep
ns.a.b.deep 86400 A 192.0.2.4
own 86400 NS host
host 60 A 192.0.2.5
none 86400 NS ns.none
loop 86400 NS ns.pool
pool 86400 NS ns.loop
ns.loop 86400 A 192.0.2.6
ns.pool 86400 A 192.0.2.7
"""
    + "".join([f"many 60 NS ns{n}.many\nns{n}.many 60 A 192.0.2.{n}\n" for n in range(20)])
    + "".join([f"mixed 60 NS ns{n}.aside\nns{n}.aside 60 A 192.0.2.{n}\n" for n in range(10)])
    + "aside 60 NS elsewhere.\nmixed 60 NS ns.mixed\nns.mixed 60 A 192.0.2.99\n"
    + "".join([f"mixed 60 NS n{n}.else{n}.\n" for n in range(5)])
)
FOO = ["foo 86400 NS ns1.foo", "foo 86400 NS ns2.foo"]
FOO_GLUE = ["ns1.foo 86400 A 192.0.2.1", "ns1.foo 86400 AAAA 2001:db8::1", "ns2.foo 86400 AAAA 2001:db8::2"]

TABLE = Table(
    "test",
    {"test": ZONE},
    {
        "2.1: glue for servers below the cut, all of it": Rule("www.foo A", "NOERROR", [], FOO, FOO_GLUE),
        "2.1: of both families whatever is asked": Rule("www.foo AAAA", "NOERROR", [], FOO, FOO_GLUE),
        "2.1: however deep it is": Rule(
            "deep A", "NOERROR", [], ["deep 86400 NS ns.a.b.deep"], ["ns.a.b.deep 86400 A 192.0.2.4"]
        ),
        "2.2: of a sibling too": Rule(
            "www.bar A",
            "NOERROR",
            [],
            ["bar 86400 NS ns1.bar", "bar 86400 NS ns1.foo"],
            ["ns1.bar 86400 A 192.0.2.3", *FOO_GLUE[:2]],
        ),
        "2.3: siblings that need each other": Rule(
            "www.loop A", "NOERROR", [], ["loop 86400 NS ns.pool"], ["ns.pool 86400 A 192.0.2.7"]
        ),
        "2.4: glue that is missing is not waited for": Rule("www.none A", "NOERROR", [], ["none 86400 NS ns.none"]),
        "a server in the zone itself": Rule("www.own A", "NOERROR", [], ["own 86400 NS host"], ["host 60 A 192.0.2.5"]),
        "3.1: TC where it does not fit": Rule("www.many A", "NOERROR tc"),
        "3.1: whole where it does": Rule("www.many A edns=1232", "NOERROR", counts=(0, 20, 20)),
        "3.1: whole by TCP": Rule("www.many A tcp", "NOERROR", counts=(0, 20, 20)),
        "3.2: no TC for that of siblings": Rule("www.mixed A", "NOERROR", counts=(0, 16, 1)),
        "3.2: which comes where there is room": Rule("www.mixed A edns=1232", "NOERROR", counts=(0, 16, 11)),
    },
)
