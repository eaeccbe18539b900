"""The text of a Corefile: words, blocks, snippets and imports, without knowing what any of it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import shown

__all__ = ["Block", "Directive", "Place", "read_blocks"]

_MOST = 1 << 20  # octets of all files together
_WORDS = 200_000
_DEPTH = 16  # imports and blocks inside each other
_VARIABLE = re.compile(r"\{\$([A-Za-z_]\w*)\}|\{%([A-Za-z_]\w*)%\}", re.ASCII)
_WORD = re.compile(
    r'[ \t\r\f\v]+|(?P<comment>#[^\n]*)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<open>")|(?P<word>[^\s]+)', re.DOTALL
)
_ESCAPED = re.compile(r'\\(")')


class Place(NamedTuple):
    """A file and a line in it, from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Directive:
    """A line: its name, the words after it, and the lines of the block that it opens."""

    name: str
    words: tuple[str, ...]
    inside: tuple[Directive, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Block:
    """A server block: the words before it, and its lines."""

    keys: tuple[str, ...]
    directives: tuple[Directive, ...]
    place: Place


@dataclass(slots=True)
class _Reader:
    """Reads files and keeps their snippets; `read` is what opens them, `variables` the environment."""

    read: Callable[[Path], str]
    variables: Mapping[str, str]
    snippets: dict[str, list[_Line]] = field(default_factory=dict)
    octets: int = 0
    words: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    words: tuple[str, ...]
    place: Place


def read_blocks(file: Path, variables: Mapping[str, str]) -> list[Block]:
    """Read a Corefile with all that it imports; raises ForeignDataError with file and line."""
    reader = _Reader(_text, variables)
    lines = _imported(_lines(reader, file), reader, 0)
    return list(_blocks(lines, reader))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ForeignDataError(f"{file}: it cannot be read: {error}") from None


def _lines(reader: _Reader, file: Path) -> list[_Line]:
    """Take a file apart into lines of words, comments left out and variables filled in; braces are words."""
    text = reader.read(file)
    reader.octets += len(text)
    if reader.octets > _MOST:
        raise ForeignDataError(f"{file}: with what it imports it is larger than {_MOST} octets")
    found: list[_Line] = []
    words: list[str] = []
    number = start = 1
    at = 0
    while at <= len(text):
        if at == len(text) or text[at] == "\n":
            if words:
                found.append(_Line(tuple(words), Place(file, start)))
            words = []
            number += 1
            start = number
            at += 1
            continue
        match = _WORD.match(text, at)
        assert match is not None
        if match["open"]:
            raise ForeignDataError(f"{file}:{number}: a quote is not closed")
        if (quoted := match["quoted"]) is not None:
            words.append(_filled(_ESCAPED.sub(r"\1", quoted), reader, Place(file, number)))
        elif word := match["word"]:
            words.append(_filled(word, reader, Place(file, number)))
        number += match[0].count("\n")
        at = match.end()
        reader.words += 1
        if reader.words > _WORDS:
            raise ForeignDataError(f"{file}: it has more than {_WORDS} words")
    return found


def _filled(word: str, reader: _Reader, place: Place) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in reader.variables:
            raise ForeignDataError(f"{place}: the environment has no variable {name}; set it as CoreDNS has it")
        return reader.variables[name]

    return _VARIABLE.sub(value, word)


def _imported(lines: Sequence[_Line], reader: _Reader, depth: int) -> list[_Line]:
    """Take snippets out, and put what is imported in the place of the line that says so."""
    found: list[_Line] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        name = line.words[0]
        if name.startswith("(") and name.endswith(")") and line.words[1:] == ("{",):
            end = _end(lines, at, line.place)
            reader.snippets[name[1:-1]] = list(lines[at:end])
            at = end + 1
        elif name == "import":
            found += _brought(line, reader, depth)
        else:
            found.append(line)
    return found


def _brought(line: _Line, reader: _Reader, depth: int) -> list[_Line]:
    if len(line.words) != 2:
        raise ForeignDataError(f"{line.place}: import takes one file, pattern or snippet, and no arguments here")
    if depth >= _DEPTH:
        raise ForeignDataError(f"{line.place}: imports go more than {_DEPTH} deep")
    name = line.words[1]
    if name in reader.snippets:
        return _imported(reader.snippets[name], reader, depth + 1)
    folder = line.place.file.parent
    if "*" in name or "?" in name or "[" in name:
        try:
            files = sorted(Path("/").glob(name.lstrip("/")) if name.startswith("/") else folder.glob(name))
        except (ValueError, NotImplementedError, OSError) as error:
            raise ForeignDataError(f"{line.place}: '{shown(name)}' is no pattern of files: {error}") from None
        files = [file for file in files if file.is_file()]
    else:
        files = [folder / name]
        if not files[0].is_file():
            raise ForeignDataError(f"{line.place}: there is no snippet and no file '{shown(name)}'")
    brought: list[_Line] = []
    for file in files:
        brought += _imported(_lines(reader, file), reader, depth + 1)
    return brought


def _end(lines: Sequence[_Line], at: int, opened: Place) -> int:
    """Return the line that closes the block whose first line is at `at`."""
    depth = 1
    for number in range(at, len(lines)):
        words = lines[number].words
        if words == ("}",):
            depth -= 1
            if not depth:
                return number
        elif words[-1] == "{":
            depth += 1
    raise ForeignDataError(f"{opened}: the block is not closed by a line with nothing but a brace")


def _blocks(lines: Sequence[_Line], reader: _Reader) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        place = lines[at].place
        keys: list[str] = []
        while at < len(lines):
            words = lines[at].words
            at += 1
            keys += [key for word in words for key in word.split(",") if key]
            # A comma at the end of a line has the keys go on in the next one.
            if not words[-1].endswith(","):
                break
        if keys[-2:] == ["{", "}"]:
            yield Block(tuple(keys[:-2]), (), place)
            continue
        if not keys or keys[-1] != "{":
            if len(lines) == 1 or at == len(lines):
                yield Block(tuple(keys), (), place)
                return
            # Without braces all that follows is of the one server.
            yield Block(tuple(keys), tuple(_directives(lines[at:], 0)), place)
            return
        end = _end(lines, at, place)
        yield Block(tuple(keys[:-1]), tuple(_directives(lines[at:end], 0)), place)
        at = end + 1


def _directives(lines: Sequence[_Line], depth: int) -> Iterator[Directive]:
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if depth > _DEPTH:
            raise ForeignDataError(f"{line.place}: blocks go more than {_DEPTH} deep")
        if "}" in line.words or "{" in line.words[:-1] or line.words[0] == "{":
            raise ForeignDataError(f"{line.place}: a brace that opens ends its line, and one that closes has its own")
        words: tuple[str, ...] = line.words
        inside: tuple[Directive, ...] = ()
        if words[-1] == "{":
            end = _end(lines, at, line.place)
            words, inside = words[:-1], tuple(_directives(lines[at:end], depth + 1))
            at = end + 1
        yield Directive(words[0], words[1:], inside, line.place)
