"""Accounts that clients keep with us, in the protocol of lego's storage over HTTP.

`GET BASE/DOMAIN` is the account or 404, `POST BASE/DOMAIN` keeps one: 201 says that the CNAME is made and the client
may go on, 200 that its owner has to make it. `GET BASE` is all of them. BASE is `https://zonemint:TOKEN@HOST/storage`.
"""

from __future__ import annotations

import msgspec

from zonemint.acmedns import storage, tokens
from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.tokens import Bearer
from zonemint.core.errors import AcmeDnsError
from zonemint.web.acmedns import BODY_LIMIT, json_object, refusal
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Sources
from zonemint.web.reply import Reply

__all__ = ["StorageResources"]

_CHALLENGE = 'Basic realm="zonemint"'


class StorageResources:
    """The handlers; whoever uses them needs a token with the right `storage`, and without one made there is none."""

    def __init__(self, acmedns: AcmeDns, sources: Sources) -> None:
        self._acmedns = acmedns
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        table: dict[str, dict[str, Handler]] = {
            "/storage": {"GET": self._all},
            "/storage/{domain}": {"GET": self._fetch, "POST": self._keep},
        }
        return [
            Route(path, Endpoint(handlers, on_error=refusal, sources=self._sources, body_limit=BODY_LIMIT))
            for path, handlers in table.items()
        ]

    async def _all(self, call: Call) -> Reply:
        return _json(await storage.all_of(self._acmedns, await self._bearer(call)))

    async def _fetch(self, call: Call) -> Reply:
        return _json(await storage.fetch(self._acmedns, await self._bearer(call), call.path["domain"]))

    async def _keep(self, call: Call) -> Reply:
        bearer = await self._bearer(call)
        body = json_object(call.body)
        if body is None:
            raise AcmeDnsError("malformed_json_payload", 400)
        made = await storage.keep(self._acmedns, bearer, call.path["domain"], body, call.source)
        return Reply(status=201 if made else 200)

    async def _bearer(self, call: Call) -> Bearer:
        text = tokens.presented(call.headers.get("authorization", ""))
        bearer = await tokens.recognise(self._acmedns.db, text, "storage", now_ms=self._acmedns.now_ms())
        if bearer is None:
            raise AcmeDnsError("unauthorized", 401, {"WWW-Authenticate": _CHALLENGE})
        return bearer


def _json(value: object) -> Reply:
    return Reply(msgspec.json.encode(value), media_type="application/json", headers={"cache-control": "no-store"})
