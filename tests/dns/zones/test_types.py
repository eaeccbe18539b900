"""Every record type that dnspython reads: loaded, exported and answered with the same bytes."""

from __future__ import annotations

import importlib
import pkgutil

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY
import dns.rdtypes.IN
import pytest

from tests.dns.asking import answer, question, zone
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

APEX = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n"
KEY = "oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6oB9wfuh3DTJXUAfI/M0zmO/zz8bW0Rznl8O3t"
HASH = "d2abde240d7cd3ee6b4b28c54df034b9"

EXAMPLES: dict[str, list[str]] = {
    "A": ["192.0.2.1"],
    "AAAA": ["2001:db8::1", "::ffff:192.0.2.1", "::"],
    "AFSDB": ["1 Host.Example."],
    "AMTRELAY": ["10 0 0 .", "10 1 1 203.0.113.15", "10 0 2 2001:db8::15", "128 1 3 amtrelays.example.com."],
    "APL": ["1:192.168.32.0/21 !1:192.168.38.0/28", "2:fe80::/10", "1:224.0.0.0/4 2:ff00::/8"],
    "AVC": ['"app-name:WOLFGANG|app-class:OAM"'],
    "BRID": ["AAAA"],
    "CAA": ['0 issue "ca.example.net; account=1"', '128 tbs "Unknown"', '0 iodef "mailto:x@example.com"', '0 issue ""'],
    "CDNSKEY": [f"257 3 13 {KEY}", "0 3 0 AA=="],
    "CDS": [f"12345 13 1 {HASH}{'00' * 4}", "0 0 0 00"],
    "CERT": [f"1 65534 8 {KEY}", "PGP 0 0 AAAA"],
    "CNAME": ["Mixed.Case.Example.", "a\\.b.example.", "."],
    "CSYNC": ["66 3 A NS AAAA", "0 0"],
    "DHCID": ["AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="],
    "DLV": ["60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"],
    "DNAME": ["Mixed.Case.Example."],
    "DNSKEY": [f"256 3 8 {KEY}"],
    "DS": ["60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118", f"1 13 2 {HASH}{HASH}", f"1 13 4 {HASH * 3}"],
    "DSYNC": ["CDS NOTIFY 5359 target.example."],
    "EUI48": ["00-00-5e-00-53-2a"],
    "EUI64": ["00-00-5e-ef-10-00-00-2a"],
    "GPOS": ["-32.6882 116.8652 10.0"],
    "HHIT": ["AAAA"],
    "HINFO": ['"Generic PC clone" "NetBSD-1.4"', '"" ""'],
    "HIP": [f"2 200100107B1A74DF365639CC39F1D578 {KEY} rvs1.example.com. Rvs2.example.com."],
    "HTTPS": [
        "0 Svc.Example.",
        '1 . alpn="h2,h3-19" port=8443',
        "1 . no-default-alpn alpn=h2",
        "16 a.example. mandatory=alpn alpn=h2",
    ],
    "IPSECKEY": [
        "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "10 0 2 . AQ==",
        "10 3 2 My.Gw.Example. AQ==",
    ],
    "ISDN": ['"150862028003217" "004"', '"150862028003217"'],
    "KEY": [f"512 3 8 {KEY}"],
    "KX": ["10 Kdc.Example."],
    "L32": ["10 10.1.2.0"],
    "L64": ["10 2001:0DB8:1140:1000"],
    "LOC": [
        "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000.00m 10.00m",
        "42 21 54 N 71 06 18 W -24m 30m",
        "60 9 0.000 N 24 39 0.000 E 10.00m 20m 2000m 20m",
    ],
    "LP": ["10 L64.Example."],
    "MX": ["10 Mail.Example.", "0 ."],
    "NAPTR": [
        r'100 50 "s" "z3950+N2L+N2C" "" _z3950._tcp.Gatech.edu.',
        r'100 10 "U" "E2U+sip" "!^.*$!sip:x@example.com!" .',
    ],
    "NID": ["10 0014:4fff:ff20:ee64"],
    "NINFO": ['"a" "b"'],
    "NS": ["Ns.Example."],
    "NSAP": ["0x47.0005.80.005a00.0000.0001.e133.ffffff000162.00"],
    "NSAP-PTR": ["Foo.Example."],
    "NSEC": ["Host.Example. A MX RRSIG NSEC TYPE1234"],
    "NSEC3": [
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG",
        "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr",
    ],
    "NSEC3PARAM": ["1 0 12 aabbccdd", "1 0 0 -"],
    "OPENPGPKEY": [KEY],
    "PTR": ["Host.Example."],
    "PX": ["50 Ab.net2.It. O-ab.PRMD-net2.ADMDb.C-it."],
    "RESINFO": ['qnamemin exterr=15,16,17 "infourl=https://resolver.example.com/guide"'],
    "RP": ["Mbox-dname.Example. Txt-dname.Example.", ". ."],
    "RRSIG": [f"A 8 3 86400 20300322173103 20300220173103 2642 Example. {KEY}"],
    "RT": ["10 Relay.Example."],
    "SIG": [f"A 8 3 86400 20300322173103 20300220173103 2642 Example. {KEY}"],
    "SMIMEA": [f"3 0 1 {HASH}{HASH}"],
    "SOA": ["Ns.Example. Host\\.master.Example. 1 2 3 4 5"],
    "SPF": ['"v=spf1 -all"'],
    "SRV": ["0 5 5060 Sip.Example.", "0 0 0 ."],
    "SSHFP": ["2 1 123456789abcdef67890123456789abcdef67890", f"4 2 {HASH}{HASH}"],
    "SVCB": [
        "0 Alias.Example.",
        "1 Svc.Example. port=53 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
        '1 . key65333="ex\\"1" ech=AAT+DQAA',
        "1 . dohpath=/q{?dns} alpn=h2",
    ],
    "TLSA": [f"3 1 1 {HASH}{HASH}", "0 0 0 00"],
    "TXT": ['"one" two "three four"', '""', r'"\000\"\\\255;"', '"' + "x" * 255 + '"' + ' "' + "y" * 255 + '"'],
    "URI": ['10 1 "ftp://ftp1.example.com/public"', '10 1 "https://a.example/\\"q\\""'],
    "WALLET": ['"BTC" "abc"'],
    "WKS": ["192.0.2.1 6 0 1 2 21 23", "192.0.2.1 17 53"],
    "X25": ['"123456789"'],
    "ZONEMD": [f"2018031900 1 1 {HASH * 3}"],
    "TYPE65400": ["\\# 4 01020304", "\\# 0", f"\\# 256 {'ab' * 256}"],
}

NO_DATA = {"OPT", "TKEY", "TSIG"}
"""They are of messages, and no zone has them (RFC 6891 section 6.1.1, RFC 2930 section 2, RFC 8945 section 4.1)."""


def known_types() -> set[str]:
    """List the types that dnspython has a class for."""
    found = set()
    for package in (dns.rdtypes.ANY, dns.rdtypes.IN):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
            found.add(module.name.replace("_", "-"))
    return found


def test_each_type_has_an_example() -> None:
    assert {name for name in EXAMPLES if not name.startswith("TYPE")} | NO_DATA == known_types()


def theirs(type_: str, text: str) -> bytes:
    """Return the bytes that dnspython makes of data."""
    data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), text).to_wire()
    assert data is not None
    return data


def answered(made: Zone, owner: str, type_: str) -> list[bytes]:
    """Ask for a type, and return the data of all records of the answer, names written out."""
    catalog = Catalog()
    catalog.put(made)
    reply = answer(Responder(catalog), question(owner, type_).to_wire(), tcp=True)
    assert reply is not None
    (rrset,) = dns.message.from_wire(reply).answer
    assert dns.rdatatype.to_text(rrset.rdtype) == type_
    return sorted(item.to_wire() or b"" for item in rrset)


@pytest.mark.parametrize("type_", EXAMPLES)
def test_the_bytes_stay_the_same(type_: str) -> None:
    for text in EXAMPLES[type_]:
        owner = "@" if type_ == "SOA" else "x"
        lines = APEX if type_ != "SOA" else "@ 60 NS ns\n"
        made = zone(f"{lines}{owner} 300 IN {type_} {text}\n")
        name = "lab.test." if type_ == "SOA" else "x.lab.test."
        below = "x.x.lab.test." if type_ in {"DNAME", "NS"} else name
        expected = theirs(type_, text)
        again = Zone.build("lab.test", zonefile.parse(zonefile.write(made.records()), "lab.test", file="export"))
        for one in (made, again):
            rrset = next(
                rrset
                for rrset in one.nodes[dns.name.from_text(name).to_wire() or b""]
                if rrset.type == dns.rdatatype.from_text(type_)
            )
            assert rrset.data == (expected,), text
            if below == name and type_ != "NSEC3":  # whose names are nobody's (RFC 5155 section 7.2.8)
                assert answered(one, name, type_) == [expected], text


@pytest.mark.parametrize("type_", ["A", "TXT", "SRV", "CAA", "HTTPS", "TYPE65400"])
def test_any_type_may_be_written_as_an_unknown_one(type_: str) -> None:
    """RFC 3597 section 5: the same data by number and length."""
    data = theirs(type_, EXAMPLES[type_][0])
    number = int(dns.rdatatype.from_text(type_))
    for name in (type_, f"TYPE{number}"):
        made = zone(f"{APEX}x 300 {name} \\# {len(data)} {data.hex()}\n")
        assert answered(made, "x.lab.test.", type_) == [data]
