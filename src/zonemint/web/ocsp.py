"""OCSP over HTTP (RFC 6960 appendix A, RFC 5019): POST, and GET, whose answers caches may keep."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from hashlib import sha256
from typing import Protocol

from zonemint.web import problems
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.reply import Reply

__all__ = ["OcspAnswer", "OcspResources"]

_LIMIT = 8192  # octets of a request; one about 32 certificates has 3,500


class OcspAnswer(Protocol):
    """A response in DER, made at a second since 1970, and how long a cache may keep it, which is 0 for not at all."""

    @property
    def der(self) -> bytes:
        """Return the response."""

    @property
    def made_at(self) -> int:
        """Return when it was made."""

    @property
    def max_age(self) -> int:
        """Return for how many seconds it may be kept."""


class OcspResources:
    """The handlers; `answer` takes a request in DER."""

    def __init__(self, answer: Callable[[bytes], Awaitable[OcspAnswer]], sources: Sources) -> None:
        self._answer = answer
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        return [
            Route(path, Endpoint(handlers, on_error=problems.response, sources=self._sources, body_limit=_LIMIT))
            for path, handlers in (("/ocsp", {"POST": self._post}), ("/ocsp/{request*}", {"GET": self._get}))
        ]

    async def _post(self, call: Call) -> Reply:
        answer = await self._answer(call.body)
        return _reply(answer, {"cache-control": "no-store"})

    async def _get(self, call: Call) -> Reply:
        """Answer a request in base64 in the path, where a slash of base64 may stand as it is."""
        try:
            request = base64.b64decode(call.path["request"], validate=True)
        except (binascii.Error, ValueError):
            request = b""
        answer = await self._answer(request)
        if not answer.max_age:
            return _reply(answer, {"cache-control": "no-store"})
        # RFC 5019 section 6.2; the body changes with each answer, for each has its time.
        kept = {
            "cache-control": f"max-age={answer.max_age}, public, no-transform, must-revalidate",
            "last-modified": formatdate(answer.made_at, usegmt=True),
            "expires": formatdate(answer.made_at + answer.max_age, usegmt=True),
            "etag": f'"{sha256(answer.der).hexdigest()}"',
        }
        return _reply(answer, kept)


def _reply(answer: OcspAnswer, headers: dict[str, str]) -> Reply:
    return Reply(answer.der, media_type="application/ocsp-response", headers=headers)
