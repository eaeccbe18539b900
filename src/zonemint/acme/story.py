"""What an order's story tells of a client's request: who sent it where, and what it was for."""

from __future__ import annotations

from urllib.parse import urlsplit

from zonemint.core.trace import Event

__all__ = ["request"]


def request(at: float, what: str, source: str, url: str, detail: str) -> Event:
    """Return the event of a POST to one of our URLs; `source` is the client's address."""
    return Event(at, what, source, "ca", detail, data={"method": "POST", "path": urlsplit(url).path})
