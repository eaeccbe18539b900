"""Zone files (RFC 1035 section 5.1): text to records, each with its line, and back.

Lines of the frequent kinds are read here; all others by dnspython, with the same result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import TypeAlias

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones import generate, plain_lines
from zonemint.dns.zones.records import Record, check_ttl, is_of_data

__all__ = ["Entry", "Include", "as_text", "entries", "parse", "write"]

Entry: TypeAlias = tuple[bytes, int, int, bytes, int]
"""Owner in lower-case wire form, type, TTL in seconds, data in wire form, and the line, from 1."""

Include: TypeAlias = Callable[[str, Path | str], tuple[Path, Iterable[str]]]
"""Opens a file by its name in another one; raises ConfigError where it may not be read."""

_IN = dns.rdataclass.IN
_CLASS = re.compile(r"IN|CH|CS|HS|CLASS\d{1,5}", re.IGNORECASE)
_DEEPEST = 8  # files in files


def entries(
    lines: Iterable[str], origin: str, *, file: Path | str, include: Include | None = None, fast: bool = True
) -> Iterator[Entry]:
    """Read the lines of a zone file; names without final dot are below `origin` or what `$ORIGIN` sets.

    `$TTL` or the last TTL stands for one left out (RFC 2308 section 4). A record of an included file has the line that
    includes it. Raises ConfigError with file and line. fast: whether lines are read without dnspython where that is
    possible.
    """
    return _Reader(origin, file, include, fast=fast).read(lines)


def parse(text: str, origin: str, *, file: Path | str, include: Include | None = None) -> list[Record]:
    """Read a zone file's text as records of text; see `entries`."""
    return as_text(entries(StringIO(text.removeprefix("\ufeff")), origin, file=file, include=include))


def as_text(found: Iterable[Entry]) -> list[Record]:
    """Return what was read as records of text."""
    return [
        Record(wire.name_to_text(owner), ttl, codes.type_to_text(type_), rdata.to_text(type_, data, 0, len(data)), line)
        for owner, type_, ttl, data, line in found
    ]


def write(records: Iterable[Record]) -> str:
    """Write records one a line, names absolute, so that `parse` gives the same records for any origin."""
    return "".join([f"{_dotted(record.name)}\t{record.ttl}\tIN\t{record.type}\t{record.data}\n" for record in records])


def _dotted(name: str) -> str:
    return name if name == "." else name + "."


class _Ascii(dns.name.IDNACodec):
    """What is not ASCII is refused: which name it would be, each program says otherwise."""

    def encode(self, label: str) -> bytes:
        try:
            return label.encode("ascii")
        except UnicodeEncodeError:
            raise ConfigError(f"'{label}' is not ASCII; write names of other letters as 'xn--...'") from None


_ASCII = _Ascii()  # type: ignore[no-untyped-call]


class _Reader:
    """The state between the lines: origin, last owner, default and last TTL."""

    def __init__(self, origin: str, file: Path | str, include: Include | None, *, fast: bool) -> None:
        self._apex = self._origin = wire.name_from_text(origin)
        self._file = file
        self._include = include
        self._fast = fast
        self._depth = 0
        self._owner = b""
        self._default_ttl: int | None = None
        self._last_ttl: int | None = None
        self._is_inside = True

    def read(self, lines: Iterable[str], at: int = 0) -> Iterator[Entry]:
        """Read lines, which are all made by the one at a number unless that is 0."""
        rest = iter(lines)
        number = 0
        for line in rest:
            number = at or number + 1
            if self._fast and (match := plain_lines.LINE.fullmatch(line)) is not None:
                if match[3] is None:
                    continue  # a comment, or nothing
                if (entry := self._plain(match[1], match[2], match[3], match[4], number)) is not None:
                    yield entry
                    continue
            whole, first = line, number
            depth = _depth(line)
            while depth > 0 and (line := next(rest, "")):
                number += not at
                whole += line
                depth += _depth(line)
            try:
                yield from self._other(whole, first)
            except (dns.exception.DNSException, ConfigError, ValueError) as error:
                if isinstance(error, ConfigError) and error.file is not None:
                    raise
                reason = str(error).rstrip(".") or "this is no record"
                text = whole.split("\n", 1)[0].strip()
                raise ConfigError(f"{reason}, in '{text[:80]}'", file=self._file, line=first) from None

    def _plain(self, name: str | None, ttl: str | None, type_: str, data: str, number: int) -> Entry | None:
        """Read a line of a frequent kind; None where it is for dnspython to read it, or to say what is wrong."""
        seconds = int(ttl) if ttl is not None else self._last_ttl if self._default_ttl is None else self._default_ttl
        kind = plain_lines.KINDS[type_.upper()]
        try:
            owner = self._owner if name is None else plain_lines.name(name.lower(), self._origin)
            wired = plain_lines.data(kind, data, self._origin)
        except (ValueError, OSError, LookupError):
            return None
        if seconds is None or seconds > 0x7FFFFFFF or not owner or len(wired) > 0xFFFF:
            return None
        if name is not None and not (_is_inside(owner, self._apex) if name[-1] == "." else self._is_inside):
            return None
        self._owner = owner
        self._last_ttl = seconds
        return owner, kind, seconds, wired, number

    def _other(self, text: str, number: int) -> Iterator[Entry]:
        """Read an entry with dnspython, of one line or of several in brackets."""
        tokens = dns.tokenizer.Tokenizer(text, idna_codec=_ASCII)
        token = tokens.get(want_leading=True)
        if token.is_whitespace():
            token = tokens.get()
            if token.is_eol_or_eof():
                return
            tokens.unget(token)
            yield self._record(tokens, number)
        elif token.is_identifier() and token.value.startswith("$"):
            yield from self._directive(token.value.upper(), tokens, number)
        elif not token.is_eol_or_eof():
            self._owner = (tokens.as_name(token, _name(self._origin)).to_wire() or b"").lower()
            if not _is_inside(self._owner, self._apex):
                raise ConfigError(
                    f"{wire.name_to_text(self._owner)} is outside of the zone {wire.name_to_text(self._apex)}"
                )
            yield self._record(tokens, number)

    def _directive(self, name: str, tokens: dns.tokenizer.Tokenizer, number: int) -> Iterator[Entry]:
        if name == "$ORIGIN":
            self._move((tokens.get_name(_name(self._origin)).to_wire() or b"").lower())
        elif name == "$TTL":
            self._default_ttl = dns.ttl.from_text(tokens.get_identifier())
        elif name == "$INCLUDE":
            token = tokens.get()
            if not (token.is_identifier() or token.is_quoted_string()):
                raise ConfigError("$INCLUDE has no file")
            after = tokens.get()
            tokens.unget(after)
            origin = self._origin
            if not after.is_eol_or_eof():
                origin = (tokens.get_name(_name(self._origin)).to_wire() or b"").lower()
            tokens.get_eol()
            yield from self._included(token.value, origin, number)
            return
        elif name == "$GENERATE":
            words = [f'"{one.value}"' if one.is_quoted_string() else one.value for one in tokens.get_remaining()]
            yield from self.read(generate.lines(words), number)
            return
        else:
            raise ConfigError(f"{name} is not supported")
        tokens.get_eol()

    def _included(self, name: str, origin: bytes, number: int) -> Iterator[Entry]:
        if self._include is None:
            raise ConfigError("$INCLUDE is not possible here")
        if self._depth == _DEEPEST:
            raise ConfigError(f"$INCLUDE: files are in files {_DEEPEST} deep at most")
        file, lines = self._include(name, self._file)
        inner = _Reader(wire.name_to_text(self._apex), file, self._include, fast=self._fast)
        inner._move(origin)
        inner._owner, inner._depth = self._owner, self._depth + 1
        inner._default_ttl, inner._last_ttl = self._default_ttl, self._last_ttl
        for owner, type_, ttl, data, _ in inner.read(lines):
            yield owner, type_, ttl, data, number

    def _move(self, origin: bytes) -> None:
        self._origin = origin
        self._is_inside = _is_inside(origin, self._apex)

    def _record(self, tokens: dns.tokenizer.Tokenizer, number: int) -> Entry:
        if not self._owner:
            raise ConfigError("the first record has no name")
        ttl: int | None = None
        word = tokens.get_identifier()
        # TTL and class come in either order, and each may be left out.
        for _ in range(2):
            if ttl is None and word[0].isdigit():
                ttl = dns.ttl.from_text(word)
            elif _CLASS.fullmatch(word):
                if word.upper() not in {"IN", "CLASS1"}:
                    raise ConfigError(f"class {word} is not served, only IN")
            else:
                break
            word = tokens.get_identifier()
        type_ = dns.rdatatype.from_text(word)
        if not is_of_data(type_):
            raise ConfigError(f"{word} is not a type of data")
        data = dns.rdata.from_text(_IN, type_, tokens, _name(self._origin), relativize=False)
        wired = rdata.checked(type_, data.to_wire() or b"")
        if ttl is None:
            ttl = self._default_ttl if self._default_ttl is not None else self._last_ttl
        if ttl is None and type_ == dns.rdatatype.SOA:
            ttl = int.from_bytes(wired[-4:], "big")
        if ttl is None:
            raise ConfigError("the record has no TTL, and no $TTL stands above it")
        check_ttl(ttl)
        self._last_ttl = ttl
        return self._owner, int(type_), ttl, wired, number


def _name(wired: bytes) -> dns.name.Name:
    return dns.name.from_wire(wired, 0)[0]


def _is_inside(owner: bytes, apex: bytes) -> bool:
    at = 0
    while owner[at:] != apex:
        if not owner[at]:
            return False
        at += 1 + owner[at]
    return True


def _depth(line: str) -> int:
    """Tell by how many brackets a line opens more than it closes (RFC 1035 section 5.1)."""
    if "(" not in line and ")" not in line:
        return 0
    depth = at = 0
    quoted = False
    while at < len(line):
        character = line[at]
        if character == "\\":
            at += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted and character == ";":
            break
        elif not quoted:
            depth += (character == "(") - (character == ")")
        at += 1
    return depth
