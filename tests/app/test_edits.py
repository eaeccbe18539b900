from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zonemint.app.edits import owner, read_record, type_of
from zonemint.config import Config, DataDir
from zonemint.core.errors import BadName, ConfigError
from zonemint.dns import rdata
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone

ZONE = "lab.test"
DATA = DataDir(Path("/nowhere"))
CONFIG = Config(ZONE, extra_domains=(f"deep.{ZONE}",))
ANYTHING = st.text(st.characters(), max_size=600)  # halves of surrogate pairs too, which stand for bytes of no UTF-8
SOA = Record(ZONE, 300, "SOA", "ns1.lab.test. hostmaster.lab.test. 1 3600 600 604800 60")


@given(ANYTHING.filter(lambda text: not text.startswith('"')))
@example("v=spf1 -all")
@example("x" * 256)
@example("a;b (c) \\ \" '\n")
@example("")
@example("\udc80")
def test_a_word_of_a_txt_is_one_text(text: str) -> None:
    try:
        sent = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(ConfigError, match="UTF-8"):
            read_record(ZONE, f"a.{ZONE}", 300, "TXT", [text])
    else:
        record = read_record(ZONE, f"a.{ZONE}", 300, "TXT", [text])
        assert b"".join(rdata.strings(record.data)) == sent


def test_quotes_make_texts_as_in_a_zone_file() -> None:
    assert read_record(ZONE, f"a.{ZONE}", 300, "TXT", ['"one two" three', "four five"]).data == (
        '"one two" "three" "four five"'
    )


@given(st.sampled_from(["A", "AAAA", "CNAME", "MX", "SRV", "CAA", "HTTPS", "TXT", "TYPE65280"]), st.lists(ANYTHING))
@example("A", ["192.0.2.1\nevil 300 IN A 192.0.2.2"])
@example("A", ["192.0.2.1 ("])
@example("CNAME", [])
@example("TXT", ['"'])
@example("TXT", ['"\udc80"'])
@example("CAA", ["0 issue \udc80"])
@example("A", ["\udc80"])
@example("TYPE65280", ["\\# 1 ab"])
def test_data_are_one_record_that_can_be_served_or_are_refused(type_: str, words: list[str]) -> None:
    try:
        record = read_record(ZONE, f"a.{ZONE}", 300, type_, words)
    except ConfigError:
        return
    assert record == Record(f"a.{ZONE}", 300, type_, record.data)
    assert record in list(Zone.build(ZONE, [SOA, record]).records())


@pytest.mark.parametrize(
    ("type_", "written", "meant"),
    [
        ("CNAME", "www", "www.lab.test."),
        ("CNAME", "WWW.lab.test", "www.lab.test."),
        ("CNAME", "lab.test", "lab.test."),
        ("CNAME", "www.elsewhere.test.", "www.elsewhere.test."),
        ("CNAME", "@", "lab.test."),
        ("MX", "10 mail.lab.test", "10 mail.lab.test."),
        ("MX", "0 .", "0 ."),
        ("SRV", "0 0 443 web", "0 0 443 web.lab.test."),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
    ],
)
def test_data_are_read_as_they_are_meant(type_: str, written: str, meant: str) -> None:
    assert read_record(ZONE, f"a.{ZONE}", 300, type_, [written]).data == meant
    assert read_record(ZONE, f"a.{ZONE}", 300, type_, written.split()).data == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("@", "lab.test"),
        ("lab.test.", "lab.test"),
        ("WWW", "www.lab.test"),
        ("_acme-challenge.www", "_acme-challenge.www.lab.test"),
        ("*", "*.lab.test"),
        ("*.lab.test", "*.lab.test"),
        ("*.apps", "*.apps.lab.test"),
    ],
)
def test_owners(written: str, meant: str) -> None:
    assert owner(CONFIG, DATA, ZONE, written) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("www.elsewhere.test.", "www.elsewhere.test lies in no zone of ours, not in lab.test"),
        ("www.deep.lab.test", "lies in the zone deep.lab.test, not in lab.test"),
        ("auth", "auth.lab.test lies in auth.lab.test"),
        ("*.x.auth.lab.test", "x.auth.lab.test lies in auth.lab.test: .* acme-dns API"),
        ("a.*.lab.test", "not a label"),
        ("**", "not a label"),
        ("", "not a domain name"),
    ],
)
def test_owners_that_are_refused(written: str, why: str) -> None:
    with pytest.raises((BadName, ConfigError), match=why):
        owner(CONFIG, DATA, ZONE, written)


def test_types() -> None:
    assert (type_of("cname"), type_of("TYPE1"), type_of("type65280")) == ("CNAME", "A", "TYPE65280")
    with pytest.raises(ConfigError, match="'NONE-SUCH' is not a record type"):
        type_of("NONE-SUCH")


@pytest.mark.parametrize(("type_", "data"), [("A", "nothing"), ("ANY", "1"), ("MX", "mail"), ("CNAME", "a b")])
def test_what_are_no_data_of_the_type_is_told_with_the_record(type_: str, data: str) -> None:
    with pytest.raises(ConfigError, match=f"in 'wiki.lab.test. 300 IN {type_} {data}"):
        read_record(ZONE, f"wiki.{ZONE}", 300, type_, [data])
