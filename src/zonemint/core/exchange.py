"""One HTTP/1.1 request to another server and its reply, bounded in size and in time; no redirect is followed."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import httptools

from zonemint.core.errors import ExchangeFailed, PeerNotTrusted

__all__ = ["Answer", "address_of", "exchange"]

_CHUNK = 16384
_HEAD = 16384  # octets that a reply's head may have


class Answer(NamedTuple):
    """A reply that came whole: its status and its body."""

    status: int
    body: bytes


def address_of(url: str) -> SplitResult:
    """Read an http or https URL with a host, and nothing that a request cannot carry; raises ValueError.

    No error repeats the URL, since a path may be a secret.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or "@" in parts.netloc:
        raise ValueError("it is not an http or https URL, such as https://host.lab.test/path")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("the URL has characters that must be written as %XX")
    _ = parts.port  # raises ValueError
    return parts


async def exchange(
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None,
    timeout: float,  # noqa: ASYNC109 - it bounds the whole, and its end is told as ours
    limit: int,
    at: tuple[str, int] | None = None,
) -> Answer:
    """GET, or POST a body, and return the reply; `context` is for https, `limit` are octets of the reply's body.

    `timeout`, in seconds, is for all of it: look-up, connection, TLS, request and reply. `at` is the address and port
    to connect to, if the URL's are not. Raises ExchangeFailed, whose text names the host and no path.
    """
    parts = address_of(url)
    place = f"{parts.scheme}://{parts.netloc}"
    try:
        async with asyncio.timeout(timeout):
            return await _exchange(parts, at, _request(parts, body, headers or {}), context, limit)
    except TimeoutError:
        raise ExchangeFailed(f"{place}: no whole reply within {timeout:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise PeerNotTrusted(f"{place}: its certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise ExchangeFailed(f"{place}: no TLS: {error.reason or error}") from None
    except OSError as error:
        # asyncio words a refusal for programmers: "Connect call failed" and the parts of the address.
        why = os.strerror(error.errno) if isinstance(error, ConnectionError) and error.errno else error.strerror
        raise ExchangeFailed(f"{place}: {why or error}") from None
    except (httptools.HttpParserError, ValueError) as error:
        raise ExchangeFailed(f"{place}: its reply is not HTTP that we take: {error}") from None


def _request(parts: SplitResult, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (body or b"")


async def _exchange(
    parts: SplitResult, at: tuple[str, int] | None, request: bytes, context: ssl.SSLContext | None, limit: int
) -> Answer:
    secure = parts.scheme == "https"
    host, port = at or (parts.hostname, parts.port or (443 if secure else 80))
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context if secure else None, server_hostname=parts.hostname if secure else None
    )
    try:
        writer.write(request)
        reply = _Reply(limit)
        while not reply.whole:
            octets = await reader.read(_CHUNK)
            if not octets:
                return reply.ended()
            reply.feed(octets)
        return reply.answer
    finally:
        # What was read is whole; how a peer ends TLS does not matter then.
        with suppress(OSError):
            writer.transport.abort()


class _Reply:
    """What httptools parses into; ValueError is raised when it grows too long."""

    def __init__(self, limit: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._limit = limit
        self._head = 0
        self._headed = False
        self._body = bytearray()
        self._has_length = False
        self.whole = False

    @property
    def answer(self) -> Answer:
        return Answer(self._parser.get_status_code(), bytes(self._body))

    def feed(self, octets: bytes) -> None:
        if not self._headed:
            self._head += len(octets)
        self._parser.feed_data(octets)
        if not self._headed and self._head > _HEAD:
            raise ValueError(f"its head has more than {_HEAD} octets")
        if len(self._body) > self._limit:
            raise ValueError(f"it has more than {self._limit} octets")

    def ended(self) -> Answer:
        """Return the reply when the connection has ended, which ends one that says no length."""
        if not self._headed or self._has_length:
            raise ValueError("it ended too early")
        return self.answer

    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_length |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._headed = True

    def on_body(self, octets: bytes) -> None:
        self._body += octets

    def on_message_complete(self) -> None:
        # An interim reply (RFC 9110 section 15.2) announces the one that counts.
        if self._parser.get_status_code() >= 200:
            self.whole = True
        else:
            self._headed = self._has_length = False
