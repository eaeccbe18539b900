"""Record data as text and bytes, beside dnspython."""

from __future__ import annotations

import dns.rdata
import dns.rdatatype
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zonemint.core.errors import ConfigError, ForeignDataError
from zonemint.dns import codes, rdata

SAMPLES = [
    ("A", "192.0.2.1"),
    ("AAAA", "2001:db8::1"),
    ("AAAA", "::ffff:192.0.2.1"),
    ("AAAA", "::1.2.3.4"),
    ("AAAA", "1:0:0:2::3"),
    ("CNAME", "www.lab.test."),
    ("CNAME", "WWW.Lab.test."),
    ("CNAME", "."),
    ("NS", r"a\.b.lab.test."),
    ("PTR", r"\000\255.lab.test."),
    ("DNAME", "x.test."),
    ("MX", "10 mail.lab.test."),
    ("SOA", "ns1.lab.test. host\\.master.lab.test. 1 2 3 4 5"),
    ("TXT", '"v=1" "a \\"quoted\\" \\\\ \\000\\255"'),
    ("TXT", '""'),
    ("SRV", "0 5 5060 sip.lab.test."),
    ("CAA", '0 issue "ca.lab.test"'),
    ("HTTPS", '1 . alpn="h2,h3" ipv4hint="192.0.2.1"'),
    ("SVCB", "0 svc.lab.test."),
    ("TLSA", "3 1 1 " + "ab" * 32),
    ("SSHFP", "1 1 " + "ab" * 20),
    ("DS", "12345 13 2 " + "ab" * 32),
    ("NAPTR", '100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.lab.test.'),
    ("TYPE65400", r"\# 3 010203"),
]


@pytest.mark.parametrize(("type_", "text"), SAMPLES)
def test_samples_beside_dnspython(type_: str, text: str) -> None:
    number = codes.type_from_text(type_)
    data = rdata.from_text(number, text)
    theirs = dns.rdata.from_text("IN", type_, text)
    assert theirs.to_wire() == data
    assert rdata.to_text(number, b"xx" + data, 2, 2 + len(data)) == theirs.to_text()


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("A", "192.0.2"),
        ("A", "192.0.2.1 "),
        ("A", ""),
        ("AAAA", "192.0.2.1"),
        ("CNAME", "relative"),
        ("CNAME", "a..b."),
        ("CNAME", ("x" * 50 + ".") * 6),
        ("MX", "mail.lab.test."),
        ("MX", "10 relative"),
        ("TXT", '"open'),
        ("SOA", "a. b. 1 2 3 4"),
        ("TYPE65400", "abc"),
        ("TLSA", "3 1 1 xyz"),
    ],
)
def test_wrong_data_name_the_type(type_: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"not data of type {type_}"):
        rdata.from_text(codes.type_from_text(type_), text)


@given(st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 39, 43, 52, 64, 65, 99, 257]), st.binary(max_size=60))
@example(16, b"\x05ab")
@example(5, b"\x01a\x00\x00")
@example(1, b"\1\2\3\4\5")
def test_any_bytes_become_text_or_foreign_data(type_: int, data: bytes) -> None:
    try:
        text = rdata.to_text(type_, data, 0, len(data))
    except ForeignDataError:
        return
    theirs = dns.rdata.from_wire("IN", dns.rdatatype.RdataType.make(type_), data, 0, len(data)).to_text()
    assert text == (theirs.lower() if type_ in (2, 5, 12, 39) else theirs)


@given(st.lists(st.binary(max_size=255), min_size=1, max_size=4))
def test_strings_give_back_what_was_quoted(items: list[bytes]) -> None:
    data = b"".join([bytes((len(item),)) + item for item in items])
    assert rdata.strings(rdata.to_text(codes.TXT, data, 0, len(data))) == items


@given(st.text(max_size=300))
def test_text_is_a_list_of_strings_or_foreign_data(text: str) -> None:
    try:
        items = rdata.strings(text)
    except ForeignDataError:
        return
    assert all(isinstance(item, bytes) for item in items)


@given(st.text(max_size=600))
@example("0123456789" * 30)
def test_txt_cuts_long_values(value: str) -> None:
    data = rdata.txt(value)
    assert b"".join(rdata.strings(rdata.to_text(codes.TXT, data, 0, len(data)))) == value.encode()
