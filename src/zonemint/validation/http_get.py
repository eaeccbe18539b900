"""One GET on a connection of its own, and as much of the response as a challenge can need (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from zonemint.core.errors import AcmeErrorType, Unproven
from zonemint.core.text import shown
from zonemint.validation.stream import Stream

__all__ = ["REDIRECTS", "Response", "get"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses that lead on (RFC 9110 section 15.4)."""

_HEAD = 16384  # octets of the heads together, interim ones too
_BODY = 1024  # octets of a body that are read: a key authorization has 87


@dataclass(slots=True)
class Response:
    """What was answered; `body` is at most its first KiB, and empty for a redirect."""

    status: int = 0
    location: bytes | None = None
    body: bytes = b""


class _Reading:
    """What the parser calls back; the first response that is not an interim one is kept, whatever follows it."""

    def __init__(self) -> None:
        self.response = Response()
        self.parser = httptools.HttpResponseParser(self)
        self.has_head = False
        self.is_whole = False

    def on_message_begin(self) -> None:
        if not self.has_head:
            self.response = Response()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head and name.lower() == b"location" and self.response.location is None:
            self.response.location = value

    def on_headers_complete(self) -> None:
        if not self.has_head:
            self.response.status = self.parser.get_status_code()
            self.has_head = self.response.status >= 200

    def on_body(self, body: bytes) -> None:
        if not self.is_whole:
            self.response.body = (self.response.body + body)[:_BODY]

    def on_message_complete(self) -> None:
        self.is_whole = self.has_head


async def get(stream: Stream, host: str, target: str, agent: str) -> Response:
    """Send a request and read its response; raises OSError, and Unproven for what is no response.

    The end of the stream ends a body, whatever length was announced. Interim responses (1xx) are passed over.
    """
    await stream.send(
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii")
    )
    reading = _Reading()
    taken = 0
    while data := await stream.receive():
        taken += len(data)
        try:
            reading.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise Unproven(AcmeErrorType.INCORRECT_RESPONSE, "the server wants to speak another protocol") from None
        except httptools.HttpParserError:
            if not reading.is_whole:
                detail = f"what came is not HTTP: '{shown(data[:40].decode('latin-1'))}'"
                raise Unproven(AcmeErrorType.INCORRECT_RESPONSE, detail) from None
        response = reading.response
        if reading.is_whole or (reading.has_head and (response.status in REDIRECTS or len(response.body) >= _BODY)):
            return response
        if not reading.has_head and taken > _HEAD:
            raise Unproven(AcmeErrorType.INCORRECT_RESPONSE, f"the head of the response has over {_HEAD // 1024} KiB")
    if reading.has_head:
        return reading.response
    where = "within the head of its response" if taken else "without a response"
    raise Unproven(AcmeErrorType.CONNECTION, f"the server closed the connection {where}")
