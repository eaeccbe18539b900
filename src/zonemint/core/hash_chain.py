"""The entries of the audit log, and the chain in which each commits to the one before.

The hash of an entry is the SHA-256 of its canonical JSON (RFC 8785) without the member `hash`. `previous` is among the
members, so an entry stands for all that came before it; `sequence` counts from 1 without a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from zonemint.core.errors import AuditBroken, ForeignDataError

__all__ = [
    "GENESIS",
    "LONGEST_LINE",
    "Chain",
    "Detail",
    "Entry",
    "Head",
    "encode",
    "entries",
    "from_row",
    "sealed",
]

GENESIS = "0" * 64
"""What the first entry has as `previous`."""

LONGEST_LINE = 1 << 20
"""Octets of the longest line of an export: a record set has at most 64 KiB, written with four characters an octet."""

_EXACT = 2**53 - 1  # integers up to here are exact in every JSON parser (RFC 8785 section 3.2.2.3)
_Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)]
_Hash: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

Detail: TypeAlias = dict[str, str | _Integer | tuple[str, ...]]
"""Facts of an entry: texts, whole numbers and lists of texts, whose canonical JSON leaves nothing to choose."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry: at `at` (ms since 1970) `actor` did `event` to `subject`; hashes in lower hex."""

    sequence: Annotated[int, msgspec.Meta(ge=1, le=_EXACT)]
    at: _Integer
    event: str
    actor: str
    subject: str
    detail: Detail
    previous: _Hash
    hash: _Hash = ""


class Head(NamedTuple):
    """An entry by its sequence and hash, as it is kept elsewhere; that of an empty log is `0` and `GENESIS`."""

    sequence: int
    hash: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read what `str` wrote; raises ValueError with a sentence for a person."""
        match = re.fullmatch(r"([0-9]{1,15}):([0-9a-f]{64})", text.lower())
        if match is None:
            raise ValueError(f"'{text}' is not a sequence and a hash, such as 12:{'ab' * 32}")
        return cls(int(match[1]), match[2])


_encoder = msgspec.json.Encoder(order="sorted")
_entry = msgspec.json.Decoder(Entry)
_detail = msgspec.json.Decoder(Detail)


def encode(value: Entry | Detail) -> bytes:
    """Write canonical JSON (RFC 8785): members by name, no spaces, UTF-8 as it is."""
    return _encoder.encode(value)


def sealed(entry: Entry) -> Entry:
    """Return an entry with the hash that its other members give."""
    return msgspec.structs.replace(entry, hash=_digest(entry))


def entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Read the lines of an export one by one; raises ForeignDataError for one that is not canonical, with its number.

    Two parsers could take a line with a member twice for two different entries.
    """
    for number, line in enumerate(lines, 1):
        try:
            yield _parse(line)
        except ForeignDataError as error:
            raise ForeignDataError(f"line {number}: {error}") from None


def _parse(line: bytes) -> Entry:
    text = line.removesuffix(b"\n")
    if len(text) > LONGEST_LINE:
        raise ForeignDataError(f"it has more than {LONGEST_LINE} octets")
    try:
        entry = _entry.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ForeignDataError(f"it is no entry of the audit log: {error}") from None
    if encode(entry) != text:
        raise ForeignDataError("it is not canonical JSON as the export writes it (`jq -cS .` does too)")
    return entry


def from_row(row: tuple[object, ...]) -> Entry:
    """Read an entry from the store, its members in order and the detail as text; raises AuditBroken."""
    values = dict(zip(Entry.__struct_fields__, row, strict=True))
    number, text = values["sequence"], values["detail"]
    try:
        entry = msgspec.convert({**values, "detail": _detail.decode(str(text))}, Entry)
    except msgspec.DecodeError as error:
        raise AuditBroken(f"entry {number} of the audit log was changed: {error}") from None
    # The hash is of the canonical form: another one of the same detail would go unseen.
    if encode(entry.detail).decode() != text:
        raise AuditBroken(f"entry {number} of the audit log was changed: its detail is not canonical JSON")
    return entry


class Chain:
    """Follows entries in their order, in memory for one of them, and says where the first is that cannot be.

    whole: the first entry must be that of the log. kept: an entry that must be there, known from elsewhere.
    """

    def __init__(self, *, whole: bool, kept: Head | None = None) -> None:
        self._whole = whole
        self._kept = kept
        self.count = 0
        self.first: Entry | None = None
        self.last: Entry | None = None

    @property
    def head(self) -> Head:
        """Return the entry that the chain has come to."""
        return Head(0, GENESIS) if self.last is None else Head(self.last.sequence, self.last.hash)

    def follow(self, entry: Entry) -> None:
        """Go on to the next entry; raises AuditBroken with its sequence and what is wrong with it."""
        number = entry.sequence
        before = self.head
        if self.last is None:
            if not self._whole and number > 1:
                before = Head(number - 1, entry.previous)
            self._compare(before)
        expected = before.sequence + 1
        if number > expected:
            raise AuditBroken(f"entry {expected} of the audit log is missing: entry {number} stands in its place")
        if number < expected:
            raise AuditBroken(f"entry {expected} of the audit log is missing: entry {number} stands there once more")
        if _digest(entry) != entry.hash:
            raise AuditBroken(f"entry {number} of the audit log was changed: its hash is not that of its content")
        if entry.previous != before.hash:
            raise AuditBroken(
                f"entry {number} of the audit log does not follow from the one before: one of the two was replaced"
            )
        self._compare(Head(number, entry.hash))
        self.first = self.first or entry
        self.last = entry
        self.count += 1

    def finish(self) -> None:
        """Look whether the entry known from elsewhere was among them; raises AuditBroken."""
        if self._kept is None:
            return
        number, end = self._kept.sequence, self.head.sequence
        if number > end:
            raise AuditBroken(
                f"entry {end + 1} of the audit log is missing and all after it are: entry {number} was there"
            )
        if self.first is not None and number < self.first.sequence - 1:
            raise AuditBroken(f"entry {number} cannot be looked at: the entries here begin with {self.first.sequence}")

    def _compare(self, found: Head) -> None:
        if self._kept is not None and found.sequence == self._kept.sequence and found != self._kept:
            raise AuditBroken(
                f"entry {found.sequence} of the audit log is not the one that was there: "
                "it, or one before it, was replaced and all after it made anew"
            )


def _digest(entry: Entry) -> str:
    return sha256(_encoder.encode(msgspec.structs.replace(entry, hash=""))).hexdigest()
