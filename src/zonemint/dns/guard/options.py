"""The options of EDNS: what a client's ask for, and those of our answers (RFC 6891 section 6.1.2)."""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes
from zonemint.dns.guard.terms import Terms

__all__ = [
    "CLIENT_COOKIE",
    "NOTHING",
    "NOT_AUTHORITATIVE",
    "COOKIE_ALONE",
    "NOT_SUPPORTED",
    "WHOLE_COOKIE",
    "PROHIBITED",
    "Said",
    "attach",
    "extended_error",
    "fitting",
    "option",
    "said_to",
]

_HEAD = Struct("!HH")
WHOLE_COOKIE: Final = b"\0\x1c\0\x0a\0\x18"
"""What comes before the 24 bytes of a cookie with both parts, where an OPT record has no other option."""
CLIENT_COOKIE: Final = b"\0\x0c\0\x0a\0\x08"
"""The same before the 8 bytes of a client that does not know our part."""
COOKIE_ALONE: Final = b"\0\0\0\0\0\0\0\1\0\0\x29"
"""The counts and the beginning of a message that has an OPT record and not even a question."""
_PLAIN_COOKIE = WHOLE_COOKIE[2:]
_BLOCK = 468
"""Encrypted answers have a multiple of this size, when the client pads its questions (RFC 8467 section 4.1)."""


class Said(NamedTuple):
    """What is said to a client's options.

    options: ours, in wire form; known: its cookie shows that its address is its own; learns: it is given one;
    padded: the answer is padded.
    """

    options: bytes = b""
    known: bool = False
    learns: bool = False
    padded: bool = False


NOTHING: Final = Said()


def option(code: int, data: bytes) -> bytes:
    """Make an option in wire form."""
    return _HEAD.pack(code, len(data)) + data


def extended_error(code: int, text: str = "") -> bytes:
    """Make the option that says why an answer is as it is: a code of IANA's registry, a text for people (RFC 8914)."""
    return option(codes.OPTION_ERROR, code.to_bytes(2, "big") + text.encode())


PROHIBITED: Final = extended_error(18)
NOT_AUTHORITATIVE: Final = extended_error(20)
NOT_SUPPORTED: Final = extended_error(21)


def said_to(asked: bytes, terms: Terms, address: bytes, now: int, *, connection: bool, encrypted: bool) -> Said:
    """Say what there is to say to a query's options, which fill the data of its OPT record.

    address: the client's, packed; now: seconds since 1970; connection: it is one of DNS alone, and stays open;
    encrypted: of the transport. Unknown options are ignored, and of several of a kind all but the first (RFC 7873
    section 5.2 for cookies). Raises ForeignDataError for what deserves FORMERR.
    """
    cookies = terms.cookies
    if cookies is not None and len(asked) == 28 and asked.startswith(_PLAIN_COOKIE):
        cookie, known = cookies.answer(asked[4:], address, now)
        return Said(_PLAIN_COOKIE + cookie, known, True)
    ours = cookie = b""
    known = padded = False
    told: set[int] = set()
    at = 0
    while at < len(asked):
        code, size = _HEAD.unpack_from(asked, at)
        at += 4 + size
        if code in told:
            # Who repeats an option is not told the same again, thousands of times.
            continue
        told.add(code)
        if code == codes.OPTION_COOKIE:
            if cookies is not None:
                cookie, known = cookies.answer(asked[at - size : at], address, now)
                ours += option(codes.OPTION_COOKIE, cookie)
        elif code == codes.OPTION_NSID and terms.nsid:
            ours += option(codes.OPTION_NSID, terms.nsid)
        elif code == codes.OPTION_KEEPALIVE and connection:
            # In datagrams it has to be ignored (RFC 7828 section 3.2.1).
            if size:
                raise ForeignDataError("a client names no time to keep a connection alive")
            if terms.keepalive:
                ours += option(codes.OPTION_KEEPALIVE, terms.keepalive.to_bytes(2, "big"))
        elif code == codes.OPTION_PADDING:
            padded = encrypted
    return Said(ours, known, bool(cookie), padded)


def fitting(options: bytes, room: int) -> bytes:
    """Leave out of our options what a datagram has no room for: first the text of an error, then the server's name."""
    if len(options) <= room:
        return options
    kept: dict[int, bytes] = {}
    at = 0
    while at < len(options):
        code, size = _HEAD.unpack_from(options, at)
        at += 4 + size
        kept[code] = options[at - size : at]
    if codes.OPTION_ERROR in kept:
        kept[codes.OPTION_ERROR] = kept[codes.OPTION_ERROR][:2]
    if sum(4 + len(data) for data in kept.values()) > room:
        kept.pop(codes.OPTION_NSID, None)
    return b"".join(option(code, data) for code, data in kept.items())


def attach(reply: bytes, options: bytes, *, padded: bool = False) -> bytes:
    """Put options into an answer that ends with an OPT record without any."""
    if padded:
        size = len(reply) + len(options) + 4
        options += option(codes.OPTION_PADDING, bytes(min(-size % _BLOCK, max(0, 0xFFFF - size))))
    return reply[:-2] + len(options).to_bytes(2, "big") + options
