"""The acme-dns API over HTTP, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from zonemint.acmedns import accounts, tokens, update
from zonemint.acmedns.context import AcmeDns
from zonemint.core.errors import AcmeDnsError, StoreUnavailable
from zonemint.core.rates import Rates
from zonemint.web.cors import CrossOrigin
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Handler, Refusal, Sources
from zonemint.web.reply import Reply

__all__ = ["BODY_LIMIT", "AcmeDnsResources", "json_object", "refusal"]

BODY_LIMIT = 16384
"""Octets of a body that the API reads."""

_RETRY_AFTER = "5"  # seconds, while the store cannot answer


class AcmeDnsResources:
    """The handlers; `sources` tells the clients' addresses, `origins` are the web sites whose scripts may call."""

    def __init__(
        self, acmedns: AcmeDns, sources: Sources, *, registrations: Rates, updates: Rates, origins: Sequence[str] = ()
    ) -> None:
        self._acmedns = acmedns
        self._sources = sources
        self._registrations = registrations
        self._updates = updates
        self._origins = origins

    def routes(self) -> list[Route]:
        """Return the table of URLs; when registration is closed its URL does not exist, as in acme-dns."""
        table: dict[str, dict[str, Handler]] = {"/update": {"POST": self._update}, "/health": {"GET": self._health}}
        if self._acmedns.registrars is not None:
            table["/register"] = {"POST": self._register}
        return [
            Route(
                path,
                CrossOrigin(
                    handlers, origins=self._origins, on_error=refusal, sources=self._sources, body_limit=BODY_LIMIT
                ),
            )
            for path, handlers in table.items()
        ]

    async def _register(self, call: Call) -> Reply:
        _count(self._registrations, call.source)
        acmedns = self._acmedns
        text = tokens.presented(call.headers.get("authorization", ""))
        bearer = await tokens.recognise(acmedns.db, text, "register", now_ms=acmedns.now_ms())
        if bearer is None and not accounts.may_register(acmedns, call.source):
            raise AcmeDnsError("forbidden", 403)
        body = {} if call.body.strip() in (b"", b"null") else json_object(call.body)
        if body is None:
            raise AcmeDnsError("malformed_json_payload", 400)
        allow_from = [] if body.get("allowfrom") is None else body["allowfrom"]
        if not isinstance(allow_from, list) or not all(isinstance(one, str) for one in allow_from):
            raise AcmeDnsError("malformed_json_payload", 400)
        credentials = await accounts.register(
            acmedns,
            allow_from,
            call.source,
            zone=acmedns.zone_at(call.headers.get("host", "")),
            scope=() if bearer is None else bearer.token.names,
            actor="" if bearer is None else bearer.actor,
        )
        told = msgspec.json.encode(credentials)
        if acmedns.tells_url:
            told = told[:-1] + b',"server_url":' + msgspec.json.encode(acmedns.server_url) + b"}"
        return Reply(told, 201, media_type="application/json")

    async def _update(self, call: Call) -> Reply:
        _count(self._updates, call.source)
        value = await update.update(
            self._acmedns,
            user=call.headers.get("x-api-user", ""),
            key=call.headers.get("x-api-key", ""),
            source=call.source,
            body=json_object(call.body),
        )
        return Reply(f'{{"txt": "{value}"}}', media_type="application/json")

    async def _health(self, call: Call) -> Reply:
        return Reply()


def json_object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object with its keys in lower case, as Go's decoder matches them; None for anything else."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return {key.lower(): value for key, value in decoded.items()} if isinstance(decoded, dict) else None


def refusal(error: Exception, path: Mapping[str, Any]) -> Reply:
    """Write an error as acme-dns does: one word, and a space after the colon."""
    headers: dict[str, str] = {}
    match error:
        case AcmeDnsError():
            word, status, headers = error.word, error.status, error.headers
        case Refusal():
            word, status, headers = "malformed_json_payload", error.status, error.headers
        case StoreUnavailable():
            word, status, headers = "db_error", 503, {"Retry-After": _RETRY_AFTER}
        case _:
            word, status = "internal_error", 500
    return Reply(f'{{"error": "{word}"}}', status, headers=headers, media_type="application/json")


def _count(rates: Rates, source: str) -> None:
    if seconds := rates.wait(source):
        raise AcmeDnsError("too_many_requests", 429, {"Retry-After": str(seconds)})
