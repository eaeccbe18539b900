"""The terms on which a class of clients is answered."""

from __future__ import annotations

from enum import Enum

import msgspec

from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.guard.rate import RateLimit

__all__ = ["Denial", "Terms"]


class Denial(Enum):
    """How clients are turned away; the values are the words of the settings."""

    REFUSE = "refuse"
    IGNORE = "ignore"


class Terms(msgspec.Struct, frozen=True):
    """What holds for all clients of a responder.

    denial: they are answered nothing, and how that is told; cookies: None where there are none; nsid: what the server
    calls itself, empty for nothing (RFC 5001); keepalive: how long a quiet connection stays open, in units of 100
    milliseconds (RFC 7828); limit: of the answers that go out by UDP, None for no limit; errors: the same of answers
    to what cannot be read, for all.
    """

    denial: Denial | None = None
    cookies: Cookies | None = None
    nsid: bytes = b""
    keepalive: int = 0
    limit: RateLimit | None = None
    errors: RateLimit | None = None
