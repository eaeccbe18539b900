"""Zone files (RFC 1035 section 5.1): text to records, each with its line, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from zonemint.core.errors import ConfigError
from zonemint.dns import wire
from zonemint.dns.zones.records import Record

__all__ = ["parse", "write"]

_IN = dns.rdataclass.IN
_CLASS = re.compile(r"IN|CH|CS|HS|CLASS\d{1,5}", re.IGNORECASE)


def parse(text: str, origin: str, *, file: Path | str) -> list[Record]:
    """Read a zone file; names without final dot are below `origin` or what `$ORIGIN` sets.

    `$TTL` or the last TTL stands for one left out (RFC 2308 section 4). `$INCLUDE` and `$GENERATE` are refused: a
    zone is what its one file says. Raises ConfigError with file and line.
    """
    reader = _Reader(text, origin)
    try:
        return reader.read()
    except (dns.exception.DNSException, ConfigError, ValueError) as error:
        reason = str(error).rstrip(".") or "this is no record"
        lines = text.split("\n")
        line = lines[min(reader.line, len(lines)) - 1].strip()
        raise ConfigError(f"{reason}, in '{line[:80]}'", file=file, line=reader.line) from None


def write(records: Iterable[Record]) -> str:
    """Write records one a line, names absolute, so that `parse` gives the same records for any origin."""
    return "".join([f"{_dotted(record.name)}\t{record.ttl}\tIN\t{record.type}\t{record.data}\n" for record in records])


def _dotted(name: str) -> str:
    return name if name == "." else name + "."


class _Reader:
    """The state between the lines: origin, last owner, default and last TTL."""

    def __init__(self, text: str, origin: str) -> None:
        self._tokens = dns.tokenizer.Tokenizer(text)
        self._zone = self._origin = dns.name.from_text(_dotted(origin))
        self._owner: dns.name.Name | None = None
        self._default_ttl: int | None = None
        self._last_ttl: int | None = None
        self.line = 1

    def read(self) -> list[Record]:
        records: list[Record] = []
        while True:
            self.line = self._tokens.where()[1]
            token = self._tokens.get(want_leading=True)
            if token.is_eof():
                return records
            if token.is_whitespace():
                token = self._tokens.get()
                if token.is_eof():
                    return records
                if not token.is_eol():
                    self._tokens.unget(token)
                    records.append(self._record())
            elif token.is_identifier() and token.value.startswith("$"):
                self._directive(token.value.upper())
            elif not token.is_eol():
                self._owner = self._tokens.as_name(token, self._origin)
                if not self._owner.is_subdomain(self._zone):
                    raise ConfigError(f"{self._owner} is outside of the zone {self._zone}")
                records.append(self._record())

    def _directive(self, name: str) -> None:
        if name == "$ORIGIN":
            self._origin = self._tokens.get_name(self._origin)
        elif name == "$TTL":
            self._default_ttl = dns.ttl.from_text(self._tokens.get_identifier())
        else:
            raise ConfigError(f"{name} is not supported")
        self._tokens.get_eol()

    def _record(self) -> Record:
        if self._owner is None:
            raise ConfigError("the first record has no name")
        ttl: int | None = None
        word = self._tokens.get_identifier()
        # TTL and class come in either order, and each may be left out.
        for _ in range(2):
            if ttl is None and word[0].isdigit():
                ttl = dns.ttl.from_text(word)
            elif _CLASS.fullmatch(word):
                if word.upper() not in {"IN", "CLASS1"}:
                    raise ConfigError(f"class {word} is not served, only IN")
            else:
                break
            word = self._tokens.get_identifier()
        type_ = dns.rdatatype.from_text(word)
        data = dns.rdata.from_text(_IN, type_, self._tokens, self._origin, relativize=False)
        if ttl is None:
            ttl = self._default_ttl if self._default_ttl is not None else self._last_ttl
        if ttl is None and type_ == dns.rdatatype.SOA:
            ttl = int(data.to_text().rsplit(" ", 1)[1])
        if ttl is None:
            raise ConfigError("the record has no TTL, and no $TTL stands above it")
        self._last_ttl = ttl
        name = wire.name_to_text(self._owner.to_wire() or b"")
        return Record(name, ttl, dns.rdatatype.to_text(type_), data.to_text(), self.line)
