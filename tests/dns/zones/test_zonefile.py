"""Zone files: what is read, what is refused and where."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import LAB
from zonemint.core.errors import ConfigError
from zonemint.dns.zones import generate, zonefile
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


def read(text: str, *, fast: bool) -> list[zonefile.Entry] | str:
    try:
        return list(zonefile.entries(io.StringIO(text), "lab.test", file="x", fast=fast))
    except ConfigError as error:
        return str(error)


# Of each kind something that is read by itself, something that is left to dnspython, and something that is wrong.
SIMPLE = {
    "A": ["192.0.2.1", "192.0.2.1.", "192.0.2", "192.0.2.01", "1.2.3.4 x", "\\# 4 01020304"],
    "AAAA": ["2001:DB8::1", "::ffff:192.0.2.1", "1::2::3", "fe80::1%eth0", "::1"],
    "CNAME": ["WWW", "a.b.", "@", "*", "*.a", ".", "a..b", "\\065", "x" * 64, "a b", "-", "_x.1"],
    "NS": ["ns", "(ns)"],
    "PTR": ["Host.Example."],
    "DNAME": ["a.b.c", "l" * 63 + "." + "m" * 63 + "." + "n" * 63 + "." + "o" * 63],
    "MX": ["10 mail", "010 mail", "70000 mail", "-1 mail", "10", "10 mail more", "+5 mail"],
    "SRV": ["0 5 5060 sip", "0 5 sip", "0 5 5060 @", "0 0 0 ."],
    "TXT": [
        '"a b"',
        '"a" "b"',
        '"a""b"',
        "plain text",
        '"a\\"b"',
        '""',
        '"' + "x" * 256 + '"',
        '"; ("',
        '"é"',
        '"\\101"',
    ],
    "txt": ['"lower case type"'],
    "CAA": ['0 issue "ca"'],
    "ANY": ["x"],
}
names = st.sampled_from(
    [
        "",
        "@",
        "*",
        "*.w",
        "www",
        "WWW",
        "a.b",
        "a.lab.test.",
        "a.b.",
        "xlab.test.",
        "l" * 63,
        "l" * 64,
        "1",
        "IN",
        "60",
        "_x._tcp",
        "a\\.b",
        "-",
        "A",
        ".".join(["l" * 60] * 4),
        "*a",
        "a*",
        "**",
        "é",
    ]
)
middles = st.sampled_from(["", "60", "IN", "in", "60 IN", "IN 60", "1h", "0", "2147483648", "999999999", "60 60", "CH"])
ends = st.sampled_from(["\n", " \n", " ; more\n", "\t;\n", ";x\n", "", "\r\n"])
data = st.sampled_from([(type_, one) for type_, some in SIMPLE.items() for one in some])
plain = st.builds(
    lambda name, middle, kind, end: f"{name}\t{middle} {kind[0]} {kind[1]}{end}", names, middles, data, ends
)
others = st.sampled_from(
    [
        "$TTL 30\n",
        "$ORIGIN b\n",
        "$ORIGIN other.test.\n",
        "$ORIGIN x\\003lab\\004test.\n",
        "\n",
        " \n",
        "; A 1\n",
        "  ;\n",
        "a 60 TXT (\n x\n y )\n",
        "$GENERATE 1-3 g$ A 192.0.2.$\n",
        "$ORIGIN lab.test.\n",
        "a 60 TXT ( x\n",
        ")\n",
    ]
)


@given(st.lists(st.one_of(plain, others), max_size=6).map("".join))
def test_what_is_read_here_is_what_dnspython_reads(text: str) -> None:
    for given_ in (text, "$TTL 60\n" + text):
        fast = read(given_, fast=True)
        assert fast == read(given_, fast=False)


@pytest.mark.parametrize(
    "line", ["a A 192.0.2.1", "a 60 IN aaaa ::1", '  TXT "a" ; b', "@ MX 1 a", "", "; x", "_a._b SRV 0 0 1 x."]
)
def test_frequent_lines_are_read_without_dnspython(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("dns.tokenizer.Tokenizer.get")
    assert isinstance(list(zonefile.entries(["@ 60 A 192.0.2.1\n", line], "lab.test", file="x")), list)


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("1-3 h$ A 192.0.2.$", ["h1 A 192.0.2.1", "h2 A 192.0.2.2", "h3 A 192.0.2.3"]),
        (
            "8-12/2 h${2,3} 60 IN A 192.0.2.${-8}",
            ["h010 60 IN A 192.0.2.0", "h012 60 IN A 192.0.2.2", "h014 60 IN A 192.0.2.4"],
        ),
        ("10-11 $ TXT ${0,4,x}${0,0,X}${0,2,o}", ["10 TXT 000aA12", "11 TXT 000bB13"]),
        ("18-18 ${0,7,n} PTR h$", ["2.1.0.0 PTR h18"]),
        ("171-171 ${0,3,N} PTR $$x\\$", ["B.A PTR $x$"]),
    ],
)
def test_one_line_generates_many(words: str, made: list[str]) -> None:
    assert [line.rstrip("\n") for line in generate.lines(words.split())] == made


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "is followed by a range"),
        ("1-2 h A", "is followed by a range"),
        ("a-b h A 192.0.2.1", "is followed by a range"),
        ("2-1 h$ A 192.0.2.1", "2-1 is not a range"),
        ("1-2/0 h$ A 192.0.2.1", "1-2/0 is not a range"),
        ("0-65536 h$ A 192.0.2.1", "makes 65536 records at most"),
        ("1-2 h${x} A 192.0.2.1", "what stands in brackets"),
        ("1-2 h${-5} A 192.0.2.1", "no negative numbers"),
    ],
)
def test_a_generator_that_makes_no_sense_says_why(words: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        zonefile.parse(f"$TTL 60\n$GENERATE {words}\n", "lab.test", file="x")


def test_what_is_generated_is_of_its_line() -> None:
    text = '$TTL 60\n\n$GENERATE 1-2 h$ A 192.0.2.$\n$GENERATE 7-8 t TXT "a $"\n$GENERATE 255-256 h$ A 192.0.2.$\n'
    with pytest.raises(ConfigError, match=r"^x:5: .* malformed, in 'h256 A 192\.0\.2\.256'"):
        zonefile.parse(text, "lab.test", file="x")
    found = zonefile.parse(text.rsplit("\n", 2)[0] + "\n", "lab.test", file="x")
    assert [(one.name, one.data, one.line) for one in found] == [
        ("h1.lab.test", "192.0.2.1", 3),
        ("h2.lab.test", "192.0.2.2", 3),
        ("t.lab.test", '"a 7"', 4),
        ("t.lab.test", '"a 8"', 4),
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
        ("$INCLUDE /etc/passwd\n", 1, r"\$INCLUDE is not possible here"),
        ("$TTL 60\n$GENERATE 1-4000000000 h$ A 192.0.2.1\n", 2, r"\$GENERATE makes 65536 records at most"),
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
