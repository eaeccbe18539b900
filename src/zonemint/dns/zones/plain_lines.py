"""The lines that nearly all of a large zone file are: one record of a frequent type, nothing escaped, no brackets."""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_pton

from zonemint.dns import codes, wire

__all__ = ["KINDS", "LINE", "data", "name"]

KINDS = {
    "A": codes.A,
    "AAAA": codes.AAAA,
    "CNAME": codes.CNAME,
    "DNAME": codes.DNAME,
    "MX": codes.MX,
    "NS": codes.NS,
    "PTR": codes.PTR,
    "SRV": codes.SRV,
    "TXT": codes.TXT,
}

_LABELS = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?"
_STRING = r'"[ !#-\[\]-~]*"'
LINE = re.compile(
    # name, TTL, class, type
    rf"(?:(@|\*|(?:\*\.)?{_LABELS})?[ \t]+(?:([0-9]{{1,9}})[ \t]+)?(?:IN[ \t]+)?({'|'.join(sorted(KINDS))})[ \t]+"
    # data
    rf"([^\s;\"\\()]+(?:[ \t]+[^\s;\"\\()]+)*|{_STRING}(?:[ \t]+{_STRING})*))?[ \t]*(?:;[^\r\n]*)?\n?",
    re.ASCII | re.IGNORECASE,
)
"""Groups: name (none: the last one), TTL, type, data. All are missing where the line says nothing."""

_NAME = re.compile(rf"(?:\*\.)?{_LABELS}", re.ASCII)
_STRINGS = re.compile(_STRING)
_LENGTHS = [bytes((length,)) for length in range(64)]


def name(text: str, origin: bytes) -> bytes:
    """Turn a name of plain characters into wire form as it is spelt; raises ValueError or LookupError for others."""
    if text == "@":
        return origin
    stem, end = (text[:-1], wire.ROOT) if text[-1] == "." else (text, origin)
    raw = stem.encode("ascii")
    if b"." not in raw:
        return _checked(_LENGTHS[len(raw)] + raw + end)
    return _checked(b"".join([_LENGTHS[len(label)] + label for label in raw.split(b".")]) + end)


def data(kind: int, text: str, origin: bytes) -> bytes:
    """Turn the data of a frequent type into wire form.

    Raises ValueError, OSError or LookupError for what is not of the plain kind, or wrong.
    """
    if kind == codes.A:
        return inet_pton(AF_INET, text)
    if kind == codes.AAAA:
        return inet_pton(AF_INET6, text)
    if kind == codes.TXT:
        if text[0] != '"':
            raise ValueError(text)
        strings = [string[1:-1].encode("ascii") for string in _STRINGS.findall(text)]
        return b"".join([bytes((len(string),)) + string for string in strings])
    *numbers, target = text.split()
    if len(numbers) != {codes.MX: 1, codes.SRV: 3}.get(kind, 0) or not (target == "@" or _NAME.fullmatch(target)):
        raise ValueError(text)
    return b"".join([_uint16(number) for number in numbers]) + name(target, origin)


def _uint16(text: str) -> bytes:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise ValueError(text)
    return int(text).to_bytes(2, "big")


def _checked(wired: bytes) -> bytes:
    if len(wired) > 255:
        raise ValueError(wired)
    return wired
