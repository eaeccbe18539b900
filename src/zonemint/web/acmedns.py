"""The acme-dns API over HTTP, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from zonemint.acmedns import accounts, update
from zonemint.acmedns.context import AcmeDns
from zonemint.core.errors import AcmeDnsError, StoreUnavailable
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Refusal, Sources
from zonemint.web.problems import RETRY_AFTER
from zonemint.web.reply import Reply

__all__ = ["AcmeDnsResources"]

_BODY_LIMIT = 16384


class AcmeDnsResources:
    """The handlers; `sources` tells the clients' addresses."""

    def __init__(self, acmedns: AcmeDns, sources: Sources) -> None:
        self._acmedns = acmedns
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs; when registration is closed its URL does not exist, as in acme-dns."""
        table: dict[str, dict[str, Handler]] = {"/update": {"POST": self._update}, "/health": {"GET": self._health}}
        if self._acmedns.registrars:
            table["/register"] = {"POST": self._register}
        return [
            Route(path, Endpoint(handlers, on_error=_error, sources=self._sources, body_limit=_BODY_LIMIT))
            for path, handlers in table.items()
        ]

    async def _register(self, call: Call) -> Reply:
        if not accounts.may_register(self._acmedns, call.source):
            raise AcmeDnsError("forbidden", 403)
        body = {} if call.body.strip() in (b"", b"null") else _object(call.body)
        if body is None:
            raise AcmeDnsError("malformed_json_payload", 400)
        allow_from = [] if body.get("allowfrom") is None else body["allowfrom"]
        if not isinstance(allow_from, list) or not all(isinstance(one, str) for one in allow_from):
            raise AcmeDnsError("malformed_json_payload", 400)
        credentials = await accounts.register(self._acmedns, allow_from, call.source)
        return Reply(msgspec.json.encode(credentials), 201, media_type="application/json")

    async def _update(self, call: Call) -> Reply:
        value = await update.update(
            self._acmedns,
            user=call.headers.get("x-api-user", ""),
            key=call.headers.get("x-api-key", ""),
            source=call.source,
            body=_object(call.body),
        )
        return Reply(f'{{"txt": "{value}"}}', media_type="application/json")

    async def _health(self, call: Call) -> Reply:
        return Reply()


def _object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object with its keys in lower case, as Go's decoder matches them; None for anything else."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return {key.lower(): value for key, value in decoded.items()} if isinstance(decoded, dict) else None


def _error(error: Exception, path: Mapping[str, Any]) -> Reply:
    """Write an error as acme-dns does: one word, and a space after the colon."""
    headers: dict[str, str] = {}
    match error:
        case AcmeDnsError():
            word, status = error.word, error.status
        case Refusal():
            word, status, headers = "malformed_json_payload", error.status, error.headers
        case StoreUnavailable():
            word, status, headers = "db_error", 503, RETRY_AFTER
        case _:
            word, status = "internal_error", 500
    return Reply(f'{{"error": "{word}"}}', status, headers=headers, media_type="application/json")
