"""Data that come in updates are kept as text, and have to come back from it as they went."""

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, rdata
from zonemint.dns.update import message

EXAMPLES = {
    "A": "192.0.2.1",
    "NS": "NS1.lab.test.",
    "SOA": "ns1.lab.test. hostmaster.lab.test. 7 3600 600 86400 60",
    "PTR": r"a\.b.lab.test.",
    "HINFO": '"x" "y"',
    "MX": "10 Mail.lab.test.",
    "TXT": r'"a" "\000\255\"\\" ""',
    "RP": "a.lab.test. b.lab.test.",
    "AFSDB": "1 a.lab.test.",
    "AAAA": "2001:db8::1",
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "SRV": "0 0 443 a.lab.test.",
    "NAPTR": '100 10 "u" "E2U+sip" "!^.*$!sip:info@lab.test!" .',
    "KX": "10 a.lab.test.",
    "CERT": "1 0 0 AQID",
    "DNAME": "p.example.",
    "APL": "1:192.0.2.0/24 !2:2001:db8::/32",
    "DS": "12345 13 2 " + "00" * 32,
    "SSHFP": "4 2 " + "ab" * 32,
    "TLSA": "3 1 1 " + "ab" * 32,
    "SMIMEA": "3 1 1 " + "ab" * 32,
    "OPENPGPKEY": "AQID",
    "SVCB": '1 svc.lab.test. alpn="h2,h3" port=8443 ipv4hint=192.0.2.1',
    "HTTPS": "0 a.lab.test.",
    "CAA": '0 issue "ca.lab.test; policy=\\"x\\""',
    "URI": '10 1 "https://lab.test/"',
    "EUI48": "00-11-22-33-44-55",
    "TYPE65280": r"\# 3 00ff01",
    "TYPE4": r"\# 3 00ff01",
}


def read(type_: int, data: bytes) -> bytes:
    head = b"\0\7\x28\0\0\1\0\0\0\1\0\0\3lab\4test\0\0\6\0\1" + b"\1x\xc0\x0c" + type_.to_bytes(2, "big")
    whole = head + b"\0\1\0\0\0\5" + len(data).to_bytes(2, "big") + data
    (operation,) = message.read(whole, message.split(whole)).operations
    return operation.data


def wire(type_: str, text: str) -> tuple[int, bytes]:
    number = codes.type_from_text(type_)
    data = dns.rdata.from_text("IN", type_, text).to_wire()
    assert data is not None
    return number, data


@pytest.mark.parametrize("type_", EXAMPLES)
def test_data_of_each_type_are_read(type_: str) -> None:
    number, data = wire(type_, EXAMPLES[type_])
    kept = read(number, data)
    assert rdata.folded(number, kept) == rdata.folded(number, data)
    assert rdata.from_text(number, rdata.to_text(number, kept, 0, len(kept))) == kept


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_whatever_is_taken_comes_back_from_text(type_: str, draw: st.DataObject) -> None:
    number, data = wire(type_, EXAMPLES[type_])
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(0, 3))):
        changed[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    changed += draw.draw(st.binary(max_size=3))
    try:
        kept = read(number, bytes(changed))
    except ForeignDataError:
        return
    assert rdata.from_text(number, rdata.to_text(number, kept, 0, len(kept))) == kept
    assert len(rdata.folded(number, kept)) == len(kept)
