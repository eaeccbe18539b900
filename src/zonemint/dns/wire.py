"""Names, questions and records as bytes (RFC 1035 section 4, RFC 6891); strict about every length and pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct

import msgspec

from zonemint.core.errors import BadName, ForeignDataError
from zonemint.dns import codes

__all__ = [
    "ROOT",
    "Query",
    "WireRecord",
    "check_options",
    "is_within",
    "labels",
    "name_from_text",
    "name_to_text",
    "options_alone",
    "parse_query",
    "read_name",
    "read_records",
    "spelling",
]

ROOT = b"\0"
"""The root's name; every name in wire form ends with it."""

_HEADER = Struct("!6H")
_QUESTION = Struct("!HH")
_RECORD = Struct("!HHIH")
_OPT = Struct("!HIH")
_OPT_START = b"\0\0\x29"
_PLAIN = re.compile(r"[A-Za-z0-9_*/=+-]+(?:\.[A-Za-z0-9_*/=+-]+)*")
_ESCAPE = re.compile(r"\\(?:(\d{3})|(\D))", re.DOTALL)
_SPECIAL = re.compile(rb"[^!#%&'*+,./0-9:<=>?A-Z\[\]^_`a-z{|}~-]")
_SPECIAL_IN_LABEL = re.compile(rb"[^!#%&'*+,/0-9:<=>?A-Z\[\]^_`a-z{|}~-]")

_HOPS = 127
"""Compression pointers in one name: it has no more labels, and a chain of pointers alone is made to cost time."""


class Query(msgspec.Struct, frozen=True, gc=False):
    """What a query message asks.

    name: the question's name in lower-case wire form; end: where the question ends in the message; size: the
    client's UDP payload size (RFC 6891 section 6.2.3), 512 without OPT; plain: nothing but the question and an OPT
    follows the header; options: the data of the OPT; signed: the last record is a TSIG.
    """

    name: bytes
    type: int
    class_: int
    end: int
    edns: bool = False
    version: int = 0
    size: int = 512
    dnssec_ok: bool = False
    plain: bool = True
    options: bytes = b""
    signed: bool = False


class WireRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a message: owner in lower-case wire form, and where its data lie in the message."""

    name: bytes
    type: int
    class_: int
    ttl: int
    start: int
    end: int


def name_from_text(text: str) -> bytes:
    r"""Turn a name in presentation form (`\.`, `\123`; final dot or not) into lower-case wire form; raises BadName."""
    try:
        plain = _PLAIN.fullmatch(stem := text.removesuffix("."))
        parts = stem.lower().encode("ascii").split(b".") if plain else _split_escaped(text)
        wire = b"".join([bytes((len(part),)) + part for part in parts]) + ROOT
    except ValueError:
        raise BadName(f"{text!r} is not a domain name") from None
    if len(wire) > 255 or any(len(part) > 63 for part in parts):
        raise BadName(f"{text!r} is not a domain name: labels have 1 to 63 bytes, names up to 255")
    return wire


def _split_escaped(text: str) -> list[bytes]:
    """Split at the dots that no backslash quotes; raises ValueError for an empty label or a bad escape."""
    if text == ".":
        return []
    parts = [bytearray()]
    at = 0
    while at < len(text):
        if text[at] == "\\":
            match = _ESCAPE.match(text, at)
            if match is None:
                raise ValueError(text)
            parts[-1] += bytes((int(match[1]),)) if match[1] else match[2].encode("ascii")
            at = match.end()
            continue
        if text[at] == ".":
            parts.append(bytearray())
        else:
            parts[-1] += text[at].encode("ascii")
        at += 1
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if not all(parts):
        raise ValueError(text)
    return [bytes(part).lower() for part in parts]


def name_to_text(wire: bytes) -> str:
    """Turn a name in wire form into presentation form in lower case, without the final dot; the root is `.`."""
    return spelling(wire.lower())


def spelling(wire: bytes) -> str:
    """Turn a name in wire form into presentation form in its own letter case, without the final dot."""
    parts = list(labels(wire))
    joined = b".".join(parts)
    if not parts or _SPECIAL.search(joined) or joined.count(b".") >= len(parts):
        return ".".join([_SPECIAL_IN_LABEL.sub(_quote, part).decode("ascii") for part in parts]) or "."
    return joined.decode("ascii")


def labels(wire: bytes) -> Iterator[bytes]:
    """Iterate over the labels of a name in wire form, the root's left out."""
    at = 0
    while length := wire[at]:
        yield wire[at + 1 : at + 1 + length]
        at += 1 + length


def is_within(name: bytes, zone: bytes) -> bool:
    """Tell whether a name is a zone's own or below it, label by label; both in lower-case wire form."""
    if not name.endswith(zone):
        return False
    at, start = 0, len(name) - len(zone)
    while at < start:
        at += 1 + name[at]
    return at == start


def _quote(match: re.Match[bytes]) -> bytes:
    byte = match[0][0]
    return b"\\" + match[0] if byte in b'".;\\()@$' else b"\\%03d" % byte


def parse_query(message: bytes) -> Query:
    """Read a message of opcode QUERY; raises ForeignDataError for anything that deserves FORMERR.

    The question's name may not be compressed, there is exactly one question (RFC 9619), at most one OPT, in the
    additional section (RFC 6891 section 6.1.1), and nothing behind the last record.
    """
    size = len(message)
    _, _, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if questions != 1:
        raise ForeignDataError("a query has one question")
    at = 12
    try:
        while length := message[at]:
            if length > 63:
                raise ForeignDataError("a question's name is not compressed")
            at += length + 1
    except IndexError:
        raise ForeignDataError("the question ends early") from None
    end = at + 5
    if at > 266 or end > size:
        raise ForeignDataError("the question's name is too long, or its end is missing")
    name = message[12 : at + 1].lower()
    type_, class_ = _QUESTION.unpack_from(message, at + 1)
    if end == size and not (answers or authorities or additionals):
        return Query(name, type_, class_, end)
    if additionals == 1 and not (answers or authorities) and message.startswith(_OPT_START, end) and size >= end + 11:
        # Nearly every query looks like this.
        payload, ttl, length = _OPT.unpack_from(message, end + 3)
        if end + 11 + length == size:
            check_options(message, end + 11, size)
            options = message[end + 11 :]
            return Query(name, type_, class_, end, True, ttl >> 16 & 255, payload, ttl & 0x8000 != 0, options=options)
    return _parse_rest(message, Query(name, type_, class_, end), (answers, authorities, additionals))


def options_alone(message: bytes) -> bytes:
    """Return the data of an OPT record that is all behind the header; raises ForeignDataError for more or less."""
    start = 12 + len(_OPT_START) + _OPT.size
    if len(message) < start or len(message) - start != _OPT.unpack_from(message, 15)[2]:
        raise ForeignDataError("nothing but an OPT record")
    check_options(message, start, len(message))
    return message[start:]


def check_options(message: bytes, at: int, end: int) -> None:
    """Check that the options of an OPT record fill its data (RFC 6891 section 6.1.2); raises ForeignDataError."""
    while at < end:
        at += 4 + (message[at + 2] << 8 | message[at + 3] if at + 4 <= end else end)
    if at != end:
        raise ForeignDataError("an option ends early")


def _parse_rest(message: bytes, query: Query, counts: tuple[int, int, int]) -> Query:
    """Read whatever records follow the question, for the sake of the OPT among them."""
    at = query.end
    opt: WireRecord | None = None
    signed = False
    known: dict[int, bytes] = {}
    for section, count in enumerate(counts):
        for _ in range(count):
            start = at
            record, at = _read_record(message, at, known)
            if record.type == codes.OPT:
                if opt is not None or section != 2 or message[start]:
                    raise ForeignDataError("one OPT of the root, among the additional records")
                check_options(message, record.start, record.end)
                opt = record
            signed = record.type == codes.TSIG
    if at != len(message):
        raise ForeignDataError("bytes follow the last record")
    if opt is None:
        return msgspec.structs.replace(query, plain=False, signed=signed)
    version, dnssec_ok = opt.ttl >> 16 & 255, opt.ttl & 0x8000 != 0
    said = (True, version, opt.class_, dnssec_ok, False, message[opt.start : opt.end], signed)
    return Query(query.name, query.type, query.class_, query.end, *said)


def read_name(message: bytes, at: int, known: dict[int, bytes] | None = None) -> tuple[bytes, int]:
    """Read a name that may be compressed; return it in wire form as it was spelt, and where the next field starts.

    A pointer must lead to before the name's own start, each further one to before the last, so that reading ends
    (RFC 1035 section 4.1.4). Raises ForeignDataError.

    known: what pointers of this message have led to, by where; it is added to, so that nothing is read twice.
    """
    out = b""
    after = -1
    hops: list[tuple[int, int]] = []
    floor = start = at
    try:
        while length := message[at]:
            if length < 64:
                at += length + 1
                continue
            if length < 192:
                raise ForeignDataError("a label of an unknown kind")
            target = (length & 63) << 8 | message[at + 1]
            if target >= floor:
                raise ForeignDataError("a compression pointer leads forward")
            out += message[start:at]
            if after < 0:
                after = at + 2
            if known is not None and (tail := known.get(target)) is not None:
                start, at, message = 0, len(tail) - 1, tail
                break
            floor = start = at = target
            hops.append((target, len(out)))
            if len(out) > 254 or len(hops) > _HOPS:
                raise ForeignDataError("a name has over 255 bytes, or more pointers than labels")
    except IndexError:
        raise ForeignDataError("a name ends early") from None
    out += message[start : at + 1]
    if len(out) > 255:
        raise ForeignDataError("a name has over 255 bytes")
    if known is not None:
        for target, size in hops:
            known[target] = out[size:]
    return out, at + 1 if after < 0 else after


def _read_record(message: bytes, at: int, known: dict[int, bytes]) -> tuple[WireRecord, int]:
    name, at = read_name(message, at, known)
    start = at + 10
    if start > len(message):
        raise ForeignDataError("a record ends early")
    type_, class_, ttl, length = _RECORD.unpack_from(message, at)
    end = start + length
    if end > len(message):
        raise ForeignDataError("a record's data end early")
    return WireRecord(name.lower(), type_, class_, ttl, start, end), end


def read_records(
    message: bytes, at: int, count: int, known: dict[int, bytes] | None = None
) -> tuple[list[WireRecord], int]:
    """Read `count` records from `at` on; return them and where the next section starts; raises ForeignDataError.

    known: see `read_name`; of several calls for one message.
    """
    records = []
    known = {} if known is None else known
    for _ in range(count):
        record, at = _read_record(message, at, known)
        records.append(record)
    return records, at
