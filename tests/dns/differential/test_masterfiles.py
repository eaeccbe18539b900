"""Zone files as others read them: the same records, or a line that says what is wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.differential.masterfiles import READERS, Fact, make
from tests.thorough import examples
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.records import Node
from zonemint.dns.zones.zone import Zone

LIST = Path(__file__).parents[3] / "docs" / "dns-differences.md"
NAMES = {"NSD": "nsd", "BIND": "named"}
HEAD = "$ORIGIN z.test.\n$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

NSD, BIND, BOTH = {"nsd"}, {"named"}, {"nsd", "named"}

ALIKE = {
    "CRLF": ("x A 192.0.2.2\r\n", set()),
    "CRLF in parentheses": ("x TXT (\r\n a\r\n b )\r\n", set()),
    "no final newline": ("x A 192.0.2.2", set()),
    "white space only": ("\t\n  \t ; c\nx A 192.0.2.2\n", set()),
    "parentheses around the owner": ("( x A 192.0.2.2 )\n", NSD),
    "parentheses in parentheses": ("x TXT ( a ( b ) c )\n", NSD),
    "a comment in parentheses": ("x TXT ( a ; c )\n b )\n", set()),
    "a comment without a space": ("x A 192.0.2.2;comment\n", set()),
    "a semicolon in quotes": ('x TXT "a;b"\n', set()),
    "escapes": ('x TXT a\\;b\\ c "\\000\\255\\065\\""\n', set()),
    "quotes in and beside words": ('x TXT a"b"c "d""e"\n', set()),
    "a string of 255": (f"x TXT {'a' * 255}\n", set()),
    "65,280 bytes of strings": (f"x TXT ( {' '.join(['a' * 255] * 255)} )\n", set()),
    "an empty string": ('x TXT ""\n', set()),
    "TTL units": ("x 1h30m A 192.0.2.2\ny 1W2D3h4M5S IN A 192.0.2.2\n", set()),
    "TTL before and after the class": ("x IN 60 A 192.0.2.2\ny 60 IN A 192.0.2.3\n", set()),
    "several TTLs in a set (RFC 2181 section 5.2)": ("x 60 A 192.0.2.2\nx 30 A 192.0.2.3\n", BIND),
    "a relative $ORIGIN": ("$ORIGIN sub\nx A 192.0.2.2\n", NSD),
    "$ORIGIN, and no owner behind it": ("x A 192.0.2.2\n$ORIGIN sub.z.test.\n  A 192.0.2.3\n@ A 192.0.2.4\n", set()),
    "the root as $ORIGIN": ("$ORIGIN .\nx.z.test A 192.0.2.2\n", set()),
    "names that look like something else": ("IN A 192.0.2.2\n60 A 192.0.2.2\nmx mx 10 a\n\\@ A 192.0.2.2\n", set()),
    "dollar signs": ("\\$x A 192.0.2.2\na$x A 192.0.2.2\n", set()),
    "the same record twice": ("x A 192.0.2.2\nx A 192.0.2.2\n", set()),
    "UTF-8 in a string": ('x TXT "é" é\n', set()),
    "hex in pieces": (f"x DS 1 13 2 ( abab abab\n{'ab' * 28} )\n", set()),
    "no data": ("x TYPE65400 \\# 0\n", set()),
    "A by number": ("x CLASS1 TYPE1 \\# 4 c0000202\n", set()),
    "a DEL": ('x TXT "\x7f"\n', set()),
    "$GENERATE": ("$GENERATE 1-3 h$ A 192.0.2.$\n", NSD),
    "a NUL": ('x TXT "a\0b"\n', NSD),
}
"""What we take, and who of the others says otherwise."""

REFUSED = {
    "unbalanced, closed": ("x TXT a )\n", 6, set()),
    "unbalanced, open": ("x TXT ( a\ny A 192.0.2.2\n", 6, NSD),
    "a quote that stays open": ('x TXT "a\ny A 192.0.2.2\n', 6, set()),
    "a newline in quotes": ('x TXT "a\nb"\n', 6, NSD),
    "a byte of 256": ('x TXT "\\256"\n', 6, NSD),
    "a string of 256": (f"x TXT {'a' * 256}\n", 6, set()),
    "65,792 bytes of strings": (f"x TXT ( {' '.join(['a' * 255] * 257)} )\n", 6, set()),
    "65,792 bytes of strings in one line": (f"x TXT {' '.join(['a' * 255] * 257)}\n", 6, set()),
    "as many in quotes": ("x TXT" + f' "{"a" * 255}"' * 257 + "\n", 6, set()),
    "type 0": ("x TYPE0 \\# 0\n", 6, set()),
    "type 65535": ("x TYPE65535 \\# 0\n", 6, BOTH),
    "a type of questions": ("x TYPE255 \\# 0\n", 6, NSD),
    "no string": ("x TXT\n", 6, set()),
    "two TTLs": ("x 60 60 A 192.0.2.2\n", 6, set()),
    "a negative TTL": ("x -1 A 192.0.2.2\n", 6, set()),
    "a TTL of 33 bits": ("x 4294967296 A 192.0.2.2\n", 6, NSD),
    "a TTL of 32 bits (RFC 2181 section 8)": ("x 2147483648 A 192.0.2.2\n", 6, BOTH),
    "$TTL without one": ("$TTL\n", 6, set()),
    "$INCLUDE of what is not in the zone's folder": ("$INCLUDE /dev/null\n", 6, BOTH),
    "another directive": ("$FOO 1\n", 6, set()),
    "a name outside": ("x.other. A 192.0.2.2\n", 6, BIND),
    "an $ORIGIN outside": ("$ORIGIN other.\nx A 192.0.2.2\n", 7, BIND),
    "an empty label": ("a..b A 192.0.2.2\n", 6, set()),
    "a dot before": (".a A 192.0.2.2\n", 6, set()),
    "a label of 64": (f"{'l' * 64} A 192.0.2.2\n", 6, set()),
    "a name of 256": (f"{'.'.join(['l' * 63] * 4)} A 192.0.2.2\n", 6, set()),
    "a name in quotes": ('"x" A 192.0.2.2\n', 6, BOTH),
    "an address in quotes": ('x A "192.0.2.2"\n', 6, NSD),
    "a name that is not ASCII": ("é A 192.0.2.2\n", 6, BOTH),
    "a target that is not ASCII": ("x CNAME é\n", 6, BOTH),
    "class CH": ("x CH A 192.0.2.2\n", 6, set()),
    "an unknown type": ("x FOO a\n", 6, set()),
    "too much data": ("x A 192.0.2.2 192.0.2.3\n", 6, set()),
    "no data": ("x A\n", 6, set()),
    "an address that is none": ("x A 192.0.2.256\n", 6, set()),
    "an address with a leading zero": ("x A 192.0.02.2\n", 6, set()),
    "a preference of 17 bits": ("x MX 65536 mail\n", 6, NSD),
    "a port below 0": ("x SRV 0 0 -1 mail\n", 6, NSD),
    "a wrong length (RFC 3597 section 5)": ("x TYPE65400 \\# 2 ab\n", 6, NSD),
    "CNAME and other data": ("x CNAME y\nx A 192.0.2.2\n", 7, set()),
    "two SOA": ("@ SOA ns h 2 2 3 4 5\n", 6, set()),
}
"""What we refuse and where, and who of the others takes it."""


def ours(text: str) -> set[Fact]:
    """Read a file, make a zone of it, and return what that says."""
    made = Zone.build("z.test", zonefile.parse(text, "z.test", file="z"))
    return facts_of(made.nodes)


def facts_of(nodes: Mapping[bytes, Node]) -> set[Fact]:
    return {
        (wire.name_to_text(owner) + ".", rrset.ttl, codes.type_to_text(rrset.type), data)
        for owner, node in nodes.items()
        for rrset in node
        for data in rrset.data
    }


def filled(text: str, *, fast: bool) -> set[Fact]:
    """Do so as a server does, record by record."""
    filling = Filling("z.test")
    for entry in zonefile.entries(StringIO(text, newline=""), "z.test", file="z", fast=fast):
        filling.add(*entry)
    for _ in filling.check():
        pass
    return facts_of(filling.nodes)


@given(st.randoms(use_true_random=False))
def test_what_is_written_is_read(rng: random.Random) -> None:
    text, facts = make(rng)
    assert ours(text) == filled(text, fast=True) == filled(text, fast=False) == facts, text


@pytest.mark.interop
@pytest.mark.parametrize("program", READERS)
def test_others_read_the_same(program: str, tmp_path: Path) -> None:
    rng = random.Random(4)
    for number in range(examples(30)):
        text, facts = make(rng)
        (file := tmp_path / str(number)).write_bytes(text.encode())
        assert READERS[program](file, "z.test") == facts, text


@pytest.mark.interop
@pytest.mark.parametrize("name", ALIKE)
def test_odd_files(name: str, tmp_path: Path) -> None:
    text, others = ALIKE[name]
    (file := tmp_path / "zone").write_bytes((HEAD + text).encode())
    facts = ours(HEAD + text)
    assert len(facts) > len(ours(HEAD))
    assert filled(HEAD + text, fast=True) == filled(HEAD + text, fast=False) == facts
    assert {program for program, read in READERS.items() if read(file, "z.test") != facts} == others


@pytest.mark.interop
@pytest.mark.parametrize("name", REFUSED)
def test_wrong_files(name: str, tmp_path: Path) -> None:
    text, line, others = REFUSED[name]
    (file := tmp_path / "zone").write_bytes((HEAD + text).encode())
    for read_it in (ours, partial(filled, fast=True), partial(filled, fast=False)):
        with pytest.raises(ConfigError) as refusal:
            read_it(HEAD + text)
        assert refusal.value.line == line
    assert {program for program, read in READERS.items() if read(file, "z.test") is not None} == others


def test_what_others_read_otherwise_is_listed() -> None:
    _, _, part = LIST.read_text().partition("## Zone files")
    rows = re.findall(r"^\| (.+) \| (.+?) \| .+ \|$", part, re.MULTILINE)[1:]
    listed = {name: {NAMES[who] for who in re.findall("NSD|BIND", words)} for name, words in rows}
    others = {name: whos for name, (_, whos) in ALIKE.items() if whos}
    assert listed == others | {name: whos for name, (_, _, whos) in REFUSED.items() if whos}


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    """Editors of one system put it there, unseen; other programs take it for the first three bytes of a name."""
    assert ours("\ufeff" + HEAD) == ours(HEAD)


@pytest.mark.parametrize("text", ["", "; nothing\n", "$TTL 60\n@ NS ns\n"])
def test_no_soa(text: str) -> None:
    with pytest.raises(ConfigError, match="no SOA"):
        ours(text)


@given(st.text(st.sampled_from('ax1.@$()";\\ \t\r\n0éINTXA'), max_size=60))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        rdata_of = zonefile.parse(HEAD + text, "z.test", file="z")
    except ConfigError as refusal:
        assert refusal.line is not None  # noqa: PT017
        assert refusal.file == "z"  # noqa: PT017
    else:
        for record in rdata_of:
            rdata.from_text(codes.type_from_text(record.type), record.data)
