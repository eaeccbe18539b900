"""Names and messages in bytes, beside dnspython."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.wire
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zonemint.core.errors import BadName, ForeignDataError
from zonemint.dns import wire

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=8)


def joined(labels: list[bytes]) -> bytes:
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"


@given(LABELS)
@example([b"a.b", b'"', b"\\", b"\x00\xff", b"@$;()"])
def test_names_are_written_and_read_as_dnspython_does(labels: list[bytes]) -> None:
    name = joined(labels).lower()
    if len(name) > 255:
        return
    text = wire.name_to_text(name)
    assert wire.name_from_text(text) == name
    assert dns.name.from_text(text if text == "." else text + ".").to_wire() == name
    assert dns.name.Name([*wire.labels(name), b""]).to_text(omit_final_dot=True) == text


@given(st.text(max_size=80))
@example("a\\.")
@example("a\\\\.")
@example("a..b")
@example("\\256.x")
@example("\\0")
@example("x" * 64)
@example(".".join(["x" * 50] * 5))
def test_text_is_a_name_where_dnspython_says_so(text: str) -> None:
    try:
        ours = wire.name_from_text(text)
    except BadName:
        ours = None
    if not text.isascii() or not text:
        assert ours is None
        return
    try:
        theirs = dns.name.from_text(text, dns.name.root).to_wire().lower()  # type: ignore[union-attr]
    except dns.exception.DNSException:
        theirs = None
    # "@" stands for the origin in dnspython, which has no origin here.
    assert ours == theirs or text == "@"


@given(st.binary(max_size=300), st.integers(0, 40))
def test_any_bytes_are_a_name_or_not_as_in_dnspython(message: bytes, at: int) -> None:
    try:
        ours = wire.read_name(message, at)
    except ForeignDataError:
        ours = None
    parser = dns.wire.Parser(message)
    try:
        parser.seek(at)
        name = parser.get_name()
        theirs = (name.to_wire(), parser.current)
    except (dns.exception.DNSException, ValueError):
        theirs = None
    assert ours == theirs


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\3ab",
        b"\3abc",
        b"\xc0",
        b"\xc0\x00",
        b"\xc0\x02\x00",
        b"\1a\xc0\x00",
        b"\x40a\0",
        b"\x80a\0",
        (b"\x3f" + b"a" * 63) * 4 + b"\0",
    ],
)
def test_broken_names(message: bytes) -> None:
    with pytest.raises(ForeignDataError):
        wire.read_name(message, 0)


def test_a_chain_of_pointers_is_no_longer_than_names_are() -> None:
    """With thousands in it, and thousands of records that begin there, one message would take seconds."""
    labels = b"\1x\0" + b"".join(
        [b"\1x" + (0xC000 | (at - 4 if at > 5 else 0)).to_bytes(2, "big") for at in range(3, 505, 4)]
    )
    assert wire.read_name(labels, len(labels) - 4) == (b"\1x" * 127 + b"\0", len(labels))
    for count, is_read in ((127, True), (128, False)):
        chain = b"\0" + b"".join([(0xC000 | max(at - 2, 0)).to_bytes(2, "big") for at in range(1, 2 * count, 2)])
        if is_read:
            assert wire.read_name(chain, len(chain) - 2) == (b"\0", len(chain))
            continue
        with pytest.raises(ForeignDataError, match="more pointers"):
            wire.read_name(chain, len(chain) - 2)


@pytest.mark.parametrize(
    ("name", "zone", "is_there"),
    [
        ("lab.test", "lab.test", True),
        ("a.b.lab.test", "lab.test", True),
        ("xlab.test", "lab.test", False),
        (r"a\.lab.test", "lab.test", False),
        (r"x\003lab\004test", "lab.test", False),
        ("test", "lab.test", False),
        ("lab.test", ".", True),
        (".", ".", True),
        (".", "lab.test", False),
    ],
)
def test_a_name_is_within_a_zone_label_by_label(name: str, zone: str, is_there: bool) -> None:
    names = [b"\0" if one == "." else wire.name_from_text(one) for one in (name, zone)]
    assert wire.is_within(*names) is is_there


class Counted(bytes):
    """Bytes that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        self.looks += isinstance(key, int)
        return super().__getitem__(key)


def test_many_names_that_end_alike_are_read_once() -> None:
    """Whoever sends us such a message has no more work done than for another one of its size."""
    chain = b"\0" + b"".join([b"\1x" + (0xC000 | max(at - 4, 23)).to_bytes(2, "big") for at in range(24, 424, 4)])
    chain_record = b"\0" + (99).to_bytes(2, "big") + b"\0\1\0\0\0\0" + len(chain).to_bytes(2, "big") + chain
    ends = (0xC000 | 420).to_bytes(2, "big") + (99).to_bytes(2, "big") + b"\0\1\0\0\0\0\0\0"
    records, at = wire.read_records(Counted(bytes(12) + chain_record), 12, 1)
    assert (at, len(records)) == (424, 1)
    message = Counted(bytes(12) + chain_record + ends * 300)
    found, _ = wire.read_records(message, 12, 301)
    assert {one.name for one in found[1:]} == {b"\1x" * 100 + b"\0"}
    assert message.looks < 2_000


def test_pointers_that_lead_back_again_and_again_end() -> None:
    """Pointers may only lead further back, or two of them could make a loop."""
    with pytest.raises(ForeignDataError):
        wire.read_name(b"\xc0\x02\xc0\x00\xc0\x02", 4)


def test_the_longest_name() -> None:
    name = joined([b"a" * 63] * 3 + [b"b" * 61])
    assert len(name) == 255
    assert wire.read_name(name, 0) == (name, 255)
    assert wire.name_from_text(wire.name_to_text(name)) == name


@given(LABELS, st.integers(0, 0xFFFF), st.booleans(), st.integers(0, 0xFFFF), st.binary(max_size=20))
def test_queries_of_dnspython(labels: list[bytes], type_: int, edns: bool, size: int, data: bytes) -> None:
    if len(joined(labels)) > 255:
        return
    name = dns.name.Name([*labels, b""])
    options: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.OptionType.NSID, data)] if data else []
    rdtype = dns.rdatatype.RdataType.make(type_)
    query = dns.message.make_query(name, rdtype, use_edns=0 if edns else None, payload=size, options=options)
    if rdtype in {dns.rdatatype.IXFR, dns.rdatatype.TSIG}:
        return
    parsed = wire.parse_query(query.to_wire())
    assert parsed.name == joined(labels).lower()
    assert (parsed.type, parsed.class_) == (type_, 1)
    assert parsed.edns == (query.edns == 0)
    assert parsed.size == (size if query.edns == 0 else 512)
    assert parsed.plain


@given(st.binary(min_size=12, max_size=80))
def test_any_bytes_to_the_query_parser(message: bytes) -> None:
    try:
        query = wire.parse_query(message)
    except ForeignDataError:
        return
    assert message[12 : query.end - 4].lower() == query.name
    assert query.end <= len(message)
