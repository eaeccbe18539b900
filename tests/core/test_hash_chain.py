from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zonemint.core.errors import AuditBroken, ForeignDataError
from zonemint.core.hash_chain import (
    GENESIS,
    LONGEST_LINE,
    Chain,
    Detail,
    Entry,
    Head,
    encode,
    entries,
    from_row,
    sealed,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
DETAILS = st.dictionaries(st.text(string.ascii_lowercase + "_"), TEXTS | INTEGERS | st.lists(TEXTS).map(tuple))


def log(*details: Detail, first: int = 1, previous: str = GENESIS) -> list[Entry]:
    made: list[Entry] = []
    for number, detail in enumerate(details, first):
        entry = Entry(number, 1000 * number, "record.added", "cli:root", "a.lab.test", detail, previous)
        made.append(sealed(entry))
        previous = made[-1].hash
    return made


def followed(found: Sequence[Entry], *, whole: bool = True, kept: Head | None = None) -> Chain:
    chain = Chain(whole=whole, kept=kept)
    for entry in found:
        chain.follow(entry)
    chain.finish()
    return chain


def line(entry: Entry) -> bytes:
    return encode(entry) + b"\n"


def ttls(first: int) -> list[Detail]:
    return [{"ttl": number} for number in range(first, first + 10)]


TEN = log(*ttls(0))


def verify_with_nothing_of_ours(export: bytes) -> tuple[int, str]:
    """What anybody can write down from the page about the log."""
    head = "0" * 64
    count = 0
    for text in export.split(b"\n")[:-1]:
        entry = json.loads(text)
        claimed = entry.pop("hash")
        canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        count += 1
        assert entry["sequence"] == count
        assert entry["previous"] == head
        assert claimed == hashlib.sha256(canonical).hexdigest()
        head = claimed
    return count, head


@given(st.lists(DETAILS))
def test_another_program_finds_the_same_hashes(details: list[Detail]) -> None:
    made = log(*details)
    export = b"".join(map(line, made))
    assert verify_with_nothing_of_ours(export) == followed(made).head
    assert list(entries(export.splitlines(keepends=True))) == made


def test_a_log_that_is_whole() -> None:
    chain = followed(TEN)
    assert (chain.count, chain.first, chain.last) == (10, TEN[0], TEN[-1])
    assert chain.head == Head(10, TEN[-1].hash)
    assert followed([]).head == Head(0, GENESIS)


OTHERS: dict[str, Any] = {
    "at": 4001,
    "event": "record.removed",
    "actor": "cli:nobody",
    "subject": "b.lab.test",
    "detail": {"ttl": 4},
    "previous": TEN[0].hash,
    "hash": TEN[0].hash,
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_change_of_any_member_is_seen_at_its_entry(field: str) -> None:
    changed = msgspec.structs.replace(TEN[3], **{field: OTHERS[field]})
    with pytest.raises(AuditBroken, match=r"^entry 4 .*changed"):
        followed([*TEN[:3], changed, *TEN[4:]])


def test_every_member_was_changed_above() -> None:
    assert {*OTHERS, "sequence"} == set(Entry.__struct_fields__)


def test_an_entry_that_was_made_anew_is_seen_at_the_next() -> None:
    changed = sealed(msgspec.structs.replace(TEN[3], actor="cli:nobody"))
    with pytest.raises(AuditBroken, match=r"^entry 5 .*does not follow"):
        followed([*TEN[:3], changed, *TEN[4:]])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([*TEN[:3], *TEN[4:]], "entry 4 .*missing: entry 5"),
        (TEN[1:], "entry 1 .*missing: entry 2"),
        ([*TEN[:3], TEN[4], TEN[3], *TEN[5:]], "entry 4 .*missing: entry 5"),
        ([*TEN[:4], TEN[3], *TEN[4:]], "entry 5 .*missing: entry 4 stands there once more"),
        ([*TEN[:4], *log({}, first=5), *TEN[4:]], "entry 5 .*does not follow"),
        (log({}, previous="1" * 64), "entry 1 .*does not follow"),
    ],
    ids=["deleted", "head deleted", "reordered", "twice", "inserted", "another genesis"],
)
def test_what_was_done_to_the_order_of_entries(found: list[Entry], says: str) -> None:
    with pytest.raises(AuditBroken, match=says):
        followed(found)


def test_a_tail_that_was_cut_off_is_seen_beside_a_known_entry() -> None:
    kept = followed(TEN).head
    assert followed(TEN[:8]).count == 8
    with pytest.raises(AuditBroken, match=r"^entry 9 .*missing and all after it are: entry 10 was there"):
        followed(TEN[:8], kept=kept)
    with pytest.raises(AuditBroken, match=r"^entry 1 .*missing"):
        followed([], kept=kept)
    assert followed(TEN, kept=Head(8, TEN[7].hash)).count == 10
    assert followed(TEN, kept=Head(0, GENESIS)).count == 10


def test_a_log_that_was_made_anew_is_seen_beside_a_known_entry() -> None:
    forged = log(*ttls(1))
    assert followed(forged).count == 10
    with pytest.raises(AuditBroken, match=r"^entry 6 .*not the one that was there"):
        followed(forged, kept=Head(6, TEN[5].hash))


def test_a_part_of_the_log_holds_by_itself_and_beside_an_entry_of_it_or_the_one_before() -> None:
    part = TEN[4:]
    with pytest.raises(AuditBroken, match=r"^entry 1 .*missing: entry 5"):
        followed(part)
    for kept in (None, Head(4, TEN[3].hash), Head(7, TEN[6].hash)):
        assert followed(part, whole=False, kept=kept).count == 6
    for kept, says in (
        (Head(3, TEN[2].hash), r"^entry 3 cannot be looked at: the entries here begin with 5"),
        (Head(4, TEN[2].hash), r"^entry 4 .*not the one that was there"),
        (Head(7, TEN[2].hash), r"^entry 7 .*not the one that was there"),
    ):
        with pytest.raises(AuditBroken, match=says):
            followed(part, whole=False, kept=kept)
    with pytest.raises(AuditBroken, match=r"^entry 1 .*does not follow"):
        followed(log({}, previous="1" * 64), whole=False)


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(12, "0f" * 32)
    assert Head.parse(str(head)) == head
    assert Head.parse(str(head).upper()) == head


@given(st.text(st.sampled_from("0123456789abcdef:- ")))
@example(f"-1:{GENESIS}")
@example(f"1:{GENESIS} ")
@example(f"٣:{GENESIS}")
@example(f"{10**15}:{GENESIS}")
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match="not a sequence and a hash"):
        Head.parse(text)


# An export comes from elsewhere


@given(st.binary() | st.text().map(str.encode))
@example(b"\xff")
@example(b"{}")
@example(b"[" * 100_000)
def test_any_octets_are_no_entry_and_no_crash(octets: bytes) -> None:
    with pytest.raises(ForeignDataError, match=r"^line 1: "):
        list(entries([octets]))


@given(st.data())
def test_a_line_with_one_octet_changed_is_refused_or_breaks_the_chain(data: st.DataObject) -> None:
    text = bytearray(line(TEN[3]))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255).filter(lambda octet: octet != text[place]))
    with pytest.raises((ForeignDataError, AuditBroken)):
        followed([*TEN[:3], *entries([bytes(text)]), *TEN[4:]])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sequence":4', b'"sequence": 4'),
        (b'"sequence":4', b'"sequence":4.0'),
        (b'"sequence":4', b'"sequence":5,"sequence":4'),
        (b'"sequence":4', b'"sequence":99999999999999999999999'),
        (b'"ttl":3', b'"ttl":3,"ttl":3'),
        (b'"ttl":3', b'"ttl":true'),
        (b'"ttl":3', b'"ttl":99999999999999999999999'),
        (b'"ttl":3', b'"ttl":{}'),
        (b"cli", b"\\u0063li"),
        (b'"subject"', b'"subjects":"","subject"'),
        (b'"actor":"cli:root",', b""),
        (b"\n", b" \n"),
        (b"\n", b"\r\n"),
        (b"\n", b" " * LONGEST_LINE),
    ],
)
def test_a_line_that_could_be_read_in_two_ways_is_refused(old: bytes, new: bytes) -> None:
    text = line(TEN[3])
    assert list(entries([text])) == [TEN[3]]
    assert old in text
    with pytest.raises(ForeignDataError, match=r"^line 2: "):
        list(entries([line(TEN[2]), text.replace(old, new, 1)]))


# A row of the store may have been changed by anybody who can write it


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, "soon"),
        (2, None),
        (3, b"cli:root"),
        (5, '{"ttl": 3}'),
        (5, '{"ttl":3'),
        (5, '{"ttl":4,"ttl":3}'),
        (5, 3),
        (5, "[" * 10**5),
    ],
)
def test_a_row_of_another_shape_is_told_by_its_sequence(place: int, value: object) -> None:
    entry = TEN[3]
    row = [entry.sequence, entry.at, entry.event, entry.actor, entry.subject, '{"ttl":3}', entry.previous, entry.hash]
    assert from_row(tuple(row)) == entry
    row[place] = value
    with pytest.raises(AuditBroken, match=r"^entry 4 .*changed: "):
        from_row(tuple(row))
