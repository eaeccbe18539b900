"""DNS queries over HTTPS (RFC 8484): GET with the message in the URL, and POST with it as the body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from zonemint.core.errors import ForeignDataError
from zonemint.dns import wire
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.web import problems
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Refusal, Sources, WrongMediaType
from zonemint.web.reply import Reply

__all__ = ["PATH", "DohResources"]

PATH = "/dns-query"
_MESSAGE = "application/dns-message"
_LIMIT = 65535  # octets of a message, as over TCP


class DohResources:
    """The handlers; `answer` takes a message and who sent it, and returns None where there is nothing to answer."""

    def __init__(self, answer: Callable[[bytes, Client], Awaitable[bytes | None]], sources: Sources) -> None:
        self._answer = answer
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        handlers = {"GET": self._get, "POST": self._post}
        return [Route(PATH, Endpoint(handlers, on_error=problems.response, sources=self._sources, body_limit=_LIMIT))]

    async def _get(self, call: Call) -> Reply:
        """Answer the message in the parameter `dns`, base64url without padding (section 6)."""
        texts = parse_qs(call.query).get("dns", [])
        try:
            (text,) = texts
            message = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise Refusal(f"the URL has the message once: {PATH}?dns=..., base64url") from None
        return await self._reply(message, call)

    async def _post(self, call: Call) -> Reply:
        if call.headers.get("content-type", "").partition(";")[0].strip().lower() != _MESSAGE:
            raise WrongMediaType(f"the body is of the type {_MESSAGE}", {"accept": _MESSAGE})
        return await self._reply(call.body, call)

    async def _reply(self, message: bytes, call: Call) -> Reply:
        try:
            client = Client.of(call.source, 0, Transport.HTTPS)
        except ValueError:
            raise Refusal("the proxy names a client in X-Forwarded-For that is no address") from None
        answer = await self._answer(message, client)
        if answer is None:
            raise Refusal("the message is no DNS query")
        age = _max_age(answer)
        return Reply(answer, media_type=_MESSAGE, headers={"cache-control": f"max-age={age}" if age else "no-store"})


def _max_age(answer: bytes) -> int:
    """Return for how many seconds caches of HTTP may keep an answer: no longer than caches of DNS may (section 5.1)."""
    answers, authorities = int.from_bytes(answer[6:8], "big"), int.from_bytes(answer[8:10], "big")
    try:
        _, at = wire.read_name(answer, 12) if answer[4:6] != b"\0\0" else (b"", 8)
        found, _ = wire.read_records(answer, at + 4, answers or authorities)
    except ForeignDataError:
        return 0
    return min((record.ttl for record in found), default=0)
