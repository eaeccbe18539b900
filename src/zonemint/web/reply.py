"""What a handler answers, and how it is written on the connection (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from time import time

__all__ = ["Reply", "date", "written"]

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})
_today = (0, "")


class Reply:
    """A status, headers in their order, and a body; `media_type` is the body's."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        *,
        media_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.status = status
        self.headers: list[tuple[str, str]] = [("content-type", media_type)] if media_type else []
        if headers:
            self.headers += headers.items()

    def add(self, name: str, value: str) -> None:
        """Add a header, beside others of the same name."""
        self.headers.append((name, value))


def written(reply: Reply, *, close: bool, without_body: bool) -> bytes:
    """Return a reply as it goes over the wire; `without_body` answers HEAD (RFC 9110 section 9.3.2).

    Raises ValueError for a header that would end its line.
    """
    if reply.status in _NO_BODY:
        return _head(reply.status, reply.headers, close=close)
    headers = [*reply.headers, ("content-length", str(len(reply.body)))]
    return _head(reply.status, headers, close=close) + (b"" if without_body else reply.body)


def _head(status: int, headers: Iterable[tuple[str, str]], *, close: bool) -> bytes:
    """Return the status line and the headers, with the date, up to the empty line."""
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("a header has a line break in it")
    connection = "connection: close\r\n" if close else ""
    return f"{_STATUS_LINES[status]}date: {date()}\r\n{text}{connection}\r\n".encode("latin-1")


def date() -> str:
    """Return the value of the Date header, made once a second (RFC 9110 section 5.6.7)."""
    global _today
    second = int(time())
    if second != _today[0]:
        _today = (second, formatdate(second, usegmt=True))
    return _today[1]
