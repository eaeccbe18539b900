"""Zone files: what is read, what is refused and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import LAB
from zonemint.core.errors import ConfigError
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.records import Record

FULL = """\
; a comment
$TTL 1h
@   IN SOA ns1 host (
        2024010101 ; serial
        1d 2h 4w 5m )
    IN NS ns1            ; the owner above
ns1 A 192.0.2.1
www 30 IN A 192.0.2.2
www IN 30 A 192.0.2.3
txt TXT "one; two" three (
      "four" )
WWW AAAA 2001:db8::1
$ORIGIN sub
host A 192.0.2.4
$ORIGIN other.lab.test.
@ TXT "@ is the origin"
$TTL 5
* MX 10 mail
raw TYPE65400 \\# 2 abcd
"""


def test_a_file_with_everything() -> None:
    assert zonefile.parse(FULL, "lab.test", file="x") == [
        Record("lab.test", 3600, "SOA", "ns1.lab.test. host.lab.test. 2024010101 86400 7200 2419200 300", 3),
        Record("lab.test", 3600, "NS", "ns1.lab.test.", 6),
        Record("ns1.lab.test", 3600, "A", "192.0.2.1", 7),
        Record("www.lab.test", 30, "A", "192.0.2.2", 8),
        Record("www.lab.test", 30, "A", "192.0.2.3", 9),
        Record("txt.lab.test", 3600, "TXT", '"one; two" "three" "four"', 10),
        Record("www.lab.test", 3600, "AAAA", "2001:db8::1", 12),
        Record("host.sub.lab.test", 3600, "A", "192.0.2.4", 14),
        Record("other.lab.test", 3600, "TXT", '"@ is the origin"', 16),
        Record("*.other.lab.test", 5, "MX", "10 mail.other.lab.test.", 18),
        Record("raw.other.lab.test", 5, "TYPE65400", "\\# 2 abcd", 19),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("$TTL 60\n\nwww A 192.0.2.300\n", 3, "malformed, in 'www A 192.0.2.300'"),
        ("$TTL 60\nwww NOTYPE x\n", 2, "type"),
        ("$TTL 60\nwww A\n", 2, "expecting an identifier"),
        ("www A 192.0.2.1\n", 1, "no TTL"),
        ("  A 192.0.2.1\n", 1, "first record has no name"),
        ("$TTL 60\nwww CH A 192.0.2.1\n", 2, "class CH"),
        ("$TTL 60\nwww.other.test. A 192.0.2.1\n", 2, "outside of the zone lab.test"),
        ("$TTL 60\n$ORIGIN other.test.\nwww A 192.0.2.1\n", 3, "outside of the zone"),
        ("$TTL 60\na..b A 192.0.2.1\n", 2, "label"),
        ("$TTL many\n", 1, "many"),
        ("$TTL 60\nwww A 192.0.2.1 extra\n", 2, "extra"),
        ('$TTL 60\n\n\ntxt TXT (\n "a"\n', 4, "unbalanced"),
        ('$TTL 60\ntxt TXT "open\n', 2, "newline in quoted string"),
        ("$INCLUDE /etc/passwd\n", 1, r"\$INCLUDE is not supported"),
        ("$TTL 60\n$GENERATE 1-4000000000 h$ A 192.0.2.1\n", 2, r"\$GENERATE is not supported"),
        ("$TTL\n", 1, "identifier"),
        ("@ 99999999999 A 192.0.2.1\n", 1, "TTL"),
    ],
)
def test_errors_say_where(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        zonefile.parse(text, "lab.test", file="lab.test.zone")
    assert str(caught.value).startswith(f"lab.test.zone:{line}: ")
    assert len(caught.value.detail) > 5


def test_the_soa_minimum_stands_for_a_missing_ttl() -> None:
    """As servers did before RFC 2308, and still do."""
    records = zonefile.parse("@ SOA a b 1 1 1 1 30\nwww A 192.0.2.1\n", "lab.test", file="x")
    assert [record.ttl for record in records] == [30, 30]


def test_what_is_written_is_read() -> None:
    records = zonefile.parse(LAB + FULL, "lab.test", file="x")
    again = zonefile.parse(zonefile.write(records), "test", file="y")
    assert [(r.name, r.ttl, r.type, r.data) for r in again] == [(r.name, r.ttl, r.type, r.data) for r in records]


TOKENS = (
    r"@ www * $TTL $ORIGIN $INCLUDE $GENERATE $UNICODE IN CH 60 1h 1w2d A AAAA TXT SOA NS MX SRV HTTPS CAA NAPTR TLSA "
    r"NSEC NSEC3 RRSIG LOC APL WKS OPT ANY TYPE1 TYPE999 \# 4 01020304 192.0.2.1 ::1 a.b. a..b ( ) ; \ \300 1 . -1 "
    r'99999999999 é xn--a " alpn="h2"'
)
WORDS = TOKENS.split()


def records_or_none(text: str) -> list[Record] | None:
    try:
        return zonefile.parse(text, "lab.test", file="x")
    except ConfigError as error:
        return [] if error.line is None or error.file != "x" else None


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.just("\n"), st.text(max_size=5)), max_size=40).map(" ".join))
def test_any_text_is_records_or_a_config_error(text: str) -> None:
    records = records_or_none("@ 60 TXT first\n" + text)
    assert records is None or records[0].data == '"first"'
    assert all(r.name == "lab.test" or r.name.endswith(".lab.test") for r in records or ())
