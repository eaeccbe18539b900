"""The numbers of DNS that this program speaks of by name (IANA registries; RFC 1035 section 3.2 and later ones)."""

from __future__ import annotations

from typing import Final

import dns.rdatatype

__all__ = [
    "A",
    "AAAA",
    "ANY",
    "BADCOOKIE",
    "AXFR",
    "CDNSKEY",
    "CDS",
    "BADVERS",
    "CH",
    "CNAME",
    "DNAME",
    "DNSKEY",
    "DS",
    "FORMERR",
    "HTTPS",
    "IN",
    "IXFR",
    "MX",
    "NOERROR",
    "NONE",
    "NOTAUTH",
    "NOTIFY",
    "NOTIMP",
    "NOTZONE",
    "NS",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "NXDOMAIN",
    "NXRRSET",
    "OPT",
    "OPTION_COOKIE",
    "OPTION_ERROR",
    "OPTION_KEEPALIVE",
    "OPTION_NSID",
    "OPTION_PADDING",
    "PTR",
    "REFUSED",
    "RRSIG",
    "SERVFAIL",
    "SOA",
    "SRV",
    "SVCB",
    "TSIG",
    "TXT",
    "UPDATE",
    "YXDOMAIN",
    "YXRRSET",
    "rcode_to_text",
    "type_from_text",
    "type_to_text",
]

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
PTR: Final = 12
MX: Final = 15
TXT: Final = 16
AAAA: Final = 28
SRV: Final = 33
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
RRSIG: Final = 46
NSEC: Final = 47
DNSKEY: Final = 48
NSEC3: Final = 50
NSEC3PARAM: Final = 51
CDS: Final = 59
CDNSKEY: Final = 60
SVCB: Final = 64
HTTPS: Final = 65
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
ANY: Final = 255

NOTIFY: Final = 4
UPDATE: Final = 5

IN: Final = 1
CH: Final = 3
NONE: Final = 254

NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
YXRRSET: Final = 7
NXRRSET: Final = 8
NOTAUTH: Final = 9
NOTZONE: Final = 10
BADVERS: Final = 16
BADCOOKIE: Final = 23

OPTION_NSID: Final = 3
OPTION_COOKIE: Final = 10
OPTION_KEEPALIVE: Final = 11
OPTION_PADDING: Final = 12
OPTION_ERROR: Final = 15

_RCODES: Final = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    YXDOMAIN: "YXDOMAIN",
    YXRRSET: "YXRRSET",
    NXRRSET: "NXRRSET",
    NOTAUTH: "NOTAUTH",
    NOTZONE: "NOTZONE",
    BADVERS: "BADVERS",
    BADCOOKIE: "BADCOOKIE",
}

_types: dict[int, str] = {}


def type_to_text(type_: int) -> str:
    """Name a record type, `TYPE123` for one without a name (RFC 3597 section 5)."""
    text = _types.get(type_)
    if text is None:
        text = _types[type_] = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(type_))
    return text


def type_from_text(text: str) -> int:
    """Read a record type's name; raises ValueError for one that nobody knows."""
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.rdatatype.UnknownRdatatype, ValueError):
        raise ValueError(f"'{text}' is not a record type") from None


def rcode_to_text(rcode: int) -> str:
    """Name a response code, `RCODE12` for one without a name here."""
    return _RCODES.get(rcode, f"RCODE{rcode}")
