"""Record data between presentation form and bytes: the frequent types here, all others by dnspython."""

from __future__ import annotations

import re
from collections.abc import Iterable
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from zonemint.core.errors import ConfigError, ForeignDataError
from zonemint.dns import codes, wire

__all__ = ["checked", "folded", "from_text", "strings", "to_text", "txt", "uncompressed", "unique"]

_NAMES = frozenset({codes.CNAME, codes.NS, codes.PTR, codes.DNAME})
_HOLDS_NAMES = {
    **dict.fromkeys((2, 3, 4, 5, 7, 8, 9, 12, 39), (0, 1)),
    **dict.fromkeys((6, 14, 17), (0, 2)),
    **dict.fromkeys((15, 18, 21, 36), (2, 1)),
    26: (2, 2),
    33: (6, 1),
}
"""Types whose data others may have sent with compressed names: where the first one starts, and how many there are
(RFC 3597 section 4, with KX and DNAME, which were once defined so)."""
_NAPTR = 35
_WITHOUT_NAMES = frozenset({codes.A, codes.AAAA, codes.TXT})
_LONGEST = 0xFFFF
_PLAIN_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+")
_QUOTED = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')
_STRING = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:(\d{3})|(.))", re.DOTALL)


def from_text(type_: int, text: str) -> bytes:
    """Turn data in presentation form, names absolute, into uncompressed wire form; raises ConfigError."""
    try:
        if type_ == codes.A:
            return inet_pton(AF_INET, text)
        if type_ == codes.AAAA:
            return inet_pton(AF_INET6, text)
        if type_ in _NAMES and _PLAIN_NAME.fullmatch(text) and len(text) < 255:
            return wire.name_from_text(text)
        data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(type_), text).to_wire()
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise ConfigError(f"{text!r} is not data of type {codes.type_to_text(type_)}: {error}") from None
    assert data is not None  # None only comes back when a file was passed
    return checked(type_, data)


def checked(type_: int, data: bytes) -> bytes:
    """Return data that a record can have; raises ConfigError for what is too long (RFC 1035 section 4.1.3)."""
    if len(data) > _LONGEST:
        raise ConfigError(
            f"data of type {codes.type_to_text(type_)} has {len(data)} bytes, and {_LONGEST} are the most"
        )
    return data


def to_text(type_: int, message: bytes, start: int, end: int) -> str:
    """Turn the data at message[start:end], whose names may be compressed, into presentation form.

    Names come out absolute with their final dot, in their own letter case. Raises ForeignDataError.
    """
    if type_ == codes.A and end - start == 4:
        return inet_ntop(AF_INET, message[start:end])
    if type_ == codes.TXT:
        return " ".join([f'"{_quote(string)}"' for string in _strings(message, start, end)])
    if type_ in _NAMES:
        name, after = wire.read_name(message, start)
        if after == end:
            text = wire.spelling(name)
            return text if text == "." else text + "."
    try:
        rdtype = dns.rdatatype.RdataType.make(type_)
        return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, message, start, end - start).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise ForeignDataError(f"data of type {codes.type_to_text(type_)} cannot be read: {error}") from None


def unique(type_: int, data: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return data without those that are an earlier one in other letter case (RFC 2181 section 5, RFC 4343)."""
    found = dict.fromkeys(data)
    if len(found) > 1 and type_ not in _WITHOUT_NAMES and any(one != one.lower() for one in found):
        return tuple({_canonical(type_, one): one for one in reversed(found)}.values())[::-1]
    return tuple(found)


def _canonical(type_: int, data: bytes) -> bytes:
    """Return data with the letters of names in lower case, where their type has names (RFC 4034 section 6.2)."""
    rdtype = dns.rdatatype.RdataType.make(type_)
    try:
        return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, data, 0, len(data)).to_digestable()
    except dns.exception.DNSException:
        return data


def _strings(message: bytes, start: int, end: int) -> list[bytes]:
    """Read character-strings (RFC 1035 section 3.3) up to `end`; there is at least one."""
    found = []
    at = start
    while at < end:
        after = at + 1 + message[at]
        if after > end:
            break
        found.append(message[at + 1 : after])
        at = after
    if at != end or not found:
        raise ForeignDataError("a character-string ends early")
    return found


def _quote(string: bytes) -> str:
    if not _QUOTED.search(string):
        return string.decode("ascii")
    return _QUOTED.sub(
        lambda match: b"\\" + match[0] if match[0] in b'"\\' else b"\\%03d" % match[0][0], string
    ).decode("ascii")


def strings(text: str) -> list[bytes]:
    """Return the character-strings of TXT data in presentation form, escapes resolved; raises ForeignDataError."""
    found = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _STRING.match(text, at)
        if match is None:
            raise ForeignDataError(f"{text!r} is not a list of character-strings")
        content = match[1] if match[1] is not None else match[2]
        found.append(_ESCAPE.sub(_unescape, content.encode()))
        at = match.end()
    return found


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1]) & 255,)) if match[1] else match[2]


def txt(value: str) -> bytes:
    """Turn one TXT value into wire form, cut into character-strings of 255 bytes."""
    raw = value.encode()
    pieces = [raw[at : at + 255] for at in range(0, len(raw), 255)] or [b""]
    return b"".join([bytes((len(piece),)) + piece for piece in pieces])


def uncompressed(type_: int, message: bytes, start: int, end: int) -> bytes:
    """Return the data at message[start:end] without compressed names; raises ForeignDataError."""
    first, count = _HOLDS_NAMES.get(type_, (0, 0))
    at = start + first
    if type_ == _NAPTR:
        count, at = 1, start + 4
        for _ in range(3):
            at += 1 + message[at] if at < end else end
    elif not count:
        return message[start:end]
    out = message[start:at]
    for _ in range(count):
        name, at = wire.read_name(message, at)
        out += name
    if at > end:
        raise ForeignDataError(f"data of type {codes.type_to_text(type_)} end early")
    return out + message[at:end]


def folded(type_: int, data: bytes) -> bytes:
    """Return uncompressed data with their names in lower case, which are equal for equal records."""
    at, count = _HOLDS_NAMES.get(type_, (0, 0))
    end = at
    for _ in range(count):
        while (length := data[end : end + 1]) > b"\0":
            end += 1 + length[0]
        end += 1
    return data[:at] + data[at:end].lower() + data[end:] if count else data
