"""RFC 1034: the algorithm of section 4.3.2, and the examples of section 6.2 with their own zones.

What later RFCs changed is as they have it: `*` gets one record set (RFC 8482), and the SOA of a negative answer the
smaller TTL (RFC 2308).
"""

from __future__ import annotations

from tests.dns.rfc.rules import Rule, Table

ROOT = """\
$TTL 86400
.  SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. ( 870611 1800 300 604800 86400 )
   NS A.ISI.EDU.
   NS C.ISI.EDU.
   NS SRI-NIC.ARPA.
MIL.  NS SRI-NIC.ARPA.
      NS A.ISI.EDU.
EDU.  NS SRI-NIC.ARPA.
      NS C.ISI.EDU.
COM.  NS NS.COM.
      NS SRI-NIC.ARPA.
NS.COM.  A 192.0.2.1
SRI-NIC.ARPA.  A 26.0.0.73
               A 10.0.0.51
               MX 0 SRI-NIC.ARPA.
               HINFO DEC-2060 TOPS20
ACC.ARPA.  A 26.6.0.65
           HINFO PDP-11/70 UNIX
           MX 10 ACC.ARPA.
USC-ISIC.ARPA.  CNAME C.ISI.EDU.
LOST.ARPA.  CNAME NOWHERE.ISI.EDU.
AWAY.ARPA.  CNAME HOST.COM.
73.0.0.26.IN-ADDR.ARPA.  PTR SRI-NIC.ARPA.
A.ISI.EDU.  A 26.3.0.103
C.ISI.EDU.  A 10.0.0.52
"""

EDU = """\
$TTL 86400
EDU.  SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. ( 870729 1800 300 604800 86400 )
      NS SRI-NIC.ARPA.
      NS C.ISI.EDU.
UCI 172800 NS ICS.UCI
    172800 NS ROME.UCI
ICS.UCI 172800 A 192.5.19.1
ROME.UCI 172800 A 192.5.19.31
ISI 172800 NS VAXA.ISI
    172800 NS A.ISI
VAXA.ISI 172800 A 10.2.0.27
         172800 A 128.9.0.33
A.ISI 172800 A 26.3.0.103
YALE 172800 NS YALE.ARPA.
"""

ISI = """\
$TTL 3600
ISI.EDU.  SOA VAXA HOSTMASTER ( 870729 1800 300 604800 86400 )
          NS VAXA
          NS A
VAXA  A 10.2.0.27
A  A 26.3.0.103
C  A 10.0.0.52
"""

SOA = ". 86400 SOA sri-nic.arpa. hostmaster.sri-nic.arpa. 870611 1800 300 604800 86400"
NIC = ["sri-nic.arpa. 86400 A 10.0.0.51", "sri-nic.arpa. 86400 A 26.0.0.73"]

TABLE = Table(
    ".",
    {".": ROOT, "EDU": EDU, "ISI.EDU": ISI},
    {
        "6.2.1: QNAME=SRI-NIC.ARPA, QTYPE=A": Rule(
            "SRI-NIC.ARPA. A", "NOERROR aa", ["sri-nic.arpa. 86400 A 26.0.0.73", "sri-nic.arpa. 86400 A 10.0.0.51"]
        ),
        "6.2.2: QNAME=SRI-NIC.ARPA, QTYPE=*": Rule(
            "SRI-NIC.ARPA. ANY",
            "NOERROR aa",
            ["sri-nic.arpa. 86400 A 26.0.0.73", "sri-nic.arpa. 86400 A 10.0.0.51"],
        ),
        "6.2.3: QNAME=SRI-NIC.ARPA, QTYPE=MX": Rule(
            "SRI-NIC.ARPA. MX", "NOERROR aa", ["sri-nic.arpa. 86400 MX 0 sri-nic.arpa."], [], NIC
        ),
        "6.2.4: QNAME=SRI-NIC.ARPA, QTYPE=NS": Rule("SRI-NIC.ARPA. NS", "NOERROR aa", [], [SOA]),
        "6.2.5: QNAME=SIR-NIC.ARPA, QTYPE=A": Rule("SIR-NIC.ARPA. A", "NXDOMAIN aa", [], [SOA]),
        "6.2.6: QNAME=BRL.MIL, QTYPE=A": Rule(
            "BRL.MIL. A",
            "NOERROR",
            [],
            ["mil. 86400 NS a.isi.edu.", "mil. 86400 NS sri-nic.arpa."],
            ["a.isi.edu. 3600 A 26.3.0.103", *NIC],
        ),
        "6.2.7: QNAME=USC-ISIC.ARPA, QTYPE=A": Rule(
            "USC-ISIC.ARPA. A",
            "NOERROR aa",
            ["usc-isic.arpa. 86400 CNAME c.isi.edu.", "c.isi.edu. 3600 A 10.0.0.52"],
        ),
        "6.2.8: QNAME=USC-ISIC.ARPA, QTYPE=CNAME": Rule(
            "USC-ISIC.ARPA. CNAME", "NOERROR aa", ["usc-isic.arpa. 86400 CNAME c.isi.edu."]
        ),
        "4.3.2 step 2: the nearest ancestor zone": Rule(
            "EDU. NS",
            "NOERROR aa",
            ["edu. 86400 NS sri-nic.arpa.", "edu. 86400 NS c.isi.edu."],
            [],
            ["c.isi.edu. 3600 A 10.0.0.52", *NIC],
        ),
        "4.3.2 step 3b: down to the cut, never below": Rule(
            "X.ICS.UCI.EDU. A",
            "NOERROR",
            [],
            ["uci.edu. 172800 NS ics.uci.edu.", "uci.edu. 172800 NS rome.uci.edu."],
            ["ics.uci.edu. 172800 A 192.5.19.1", "rome.uci.edu. 172800 A 192.5.19.31"],
        ),
        "4.2.1: glue is not an answer": Rule(
            "ICS.UCI.EDU. A",
            "NOERROR",
            [],
            ["uci.edu. 172800 NS ics.uci.edu.", "uci.edu. 172800 NS rome.uci.edu."],
            ["ics.uci.edu. 172800 A 192.5.19.1", "rome.uci.edu. 172800 A 192.5.19.31"],
        ),
        "4.3.2 step 3b: servers elsewhere have no addresses here": Rule(
            "CS.YALE.EDU. A", "NOERROR", [], ["yale.edu. 172800 NS yale.arpa."]
        ),
        "4.3.2 step 3a: back to step 1 in another zone": Rule(
            "LOST.ARPA. A",
            "NXDOMAIN aa",
            ["lost.arpa. 86400 CNAME nowhere.isi.edu."],
            ["isi.edu. 3600 SOA vaxa.isi.edu. hostmaster.isi.edu. 870729 1800 300 604800 86400"],
        ),
        "4.3.2 step 3a: and from there to a referral": Rule(
            "AWAY.ARPA. A",
            "NOERROR aa",
            ["away.arpa. 86400 CNAME host.com."],
            ["com. 86400 NS ns.com.", "com. 86400 NS sri-nic.arpa."],
            ["ns.com. 86400 A 192.0.2.1", *NIC],
        ),
        "4.3.2 step 4, without it: names above others exist": Rule("ARPA. A", "NOERROR aa", [], [SOA]),
        "3.1: case is kept and makes no difference": Rule(
            "sri-NIC.arpa. HINFO", "NOERROR aa", ['sri-nic.arpa. 86400 HINFO "DEC-2060" "TOPS20"']
        ),
        "3.6.2: an address at an alias that is looked for itself": Rule(
            "73.0.0.26.IN-ADDR.ARPA. PTR", "NOERROR aa", ["73.0.0.26.in-addr.arpa. 86400 PTR sri-nic.arpa."]
        ),
        "4.1: RD is copied, and nothing more is done": Rule("SIR-NIC.ARPA. A rd", "NXDOMAIN aa rd", [], [SOA]),
    },
)
