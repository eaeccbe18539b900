"""The admin API, `/api/v1/...`: accounts of both kinds, as `zonemint accounts` has them.

A request needs a token with the right `admin`; as long as none was made, nobody has one. Errors are problem documents
(RFC 9457) of the type `about:blank`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from zonemint.acme import administration as acme_administration
from zonemint.acmedns import administration, scope, tokens
from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.tokens import Bearer
from zonemint.core.clock import rfc3339
from zonemint.core.errors import AdminError, BadName, StoreUnavailable
from zonemint.store import accounts, records, txt
from zonemint.store.accounts import Account
from zonemint.store.database import Steps
from zonemint.store.txt import TxtAccount
from zonemint.web.acmedns import json_object
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Refusal, Sources
from zonemint.web.reply import Reply

__all__ = ["AdminResources"]

_BODY_LIMIT = 16384
_RETRY_AFTER = "5"  # seconds, while the store cannot answer
_PAGE = 100
_FIELDS = 10  # of a query
_LIMIT = re.compile(r"[1-9][0-9]{0,2}|1000")

_Work = Callable[[Call, Bearer], Awaitable[Reply]]


class AdminResources:
    """The handlers; `changed` is called when records of our zones changed, so that DNS has them before the reply."""

    def __init__(self, acmedns: AcmeDns, sources: Sources, changed: Callable[[], Awaitable[None]]) -> None:
        self._acmedns = acmedns
        self._db = acmedns.db
        self._sources = sources
        self._changed = changed

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        table: dict[str, dict[str, _Work]] = {
            "/api/v1/txt-accounts": {"GET": self._list_txt},
            "/api/v1/txt-accounts/{id}": {"GET": self._show_txt, "DELETE": self._delete_txt},
            "/api/v1/txt-accounts/{id}/key": {"POST": self._rotate_txt},
            "/api/v1/txt-accounts/{id}/scope": {"PUT": self._scope_txt},
            "/api/v1/acme-accounts": {"GET": self._list_acme},
            "/api/v1/acme-accounts/{id}": {"GET": self._show_acme},
            "/api/v1/acme-accounts/{id}/deactivate": {"POST": self._deactivate_acme},
        }
        return [
            Route(
                path,
                Endpoint(
                    {method: self._allowed(work) for method, work in works.items()},
                    on_error=_error,
                    sources=self._sources,
                    body_limit=_BODY_LIMIT,
                ),
            )
            for path, works in table.items()
        ]

    def _allowed(self, work: _Work) -> Handler:
        async def handle(call: Call) -> Reply:
            text = tokens.presented(call.headers.get("authorization", ""))
            bearer = await tokens.recognise(self._db, text, "admin", now_ms=self._acmedns.now_ms())
            if bearer is None:
                raise AdminError("a token with the right 'admin' is needed", 401, {"WWW-Authenticate": "Bearer"})
            return await work(call, bearer)

        return handle

    async def _list_txt(self, call: Call, bearer: Bearer) -> Reply:
        after, limit = _page(call.query)
        found = await self._db.read(txt.listing(after=after, limit=limit))
        return _json(
            {"accounts": [_txt(one) for one in found], "next": found[-1].username if len(found) == limit else None}
        )

    async def _show_txt(self, call: Call, bearer: Bearer) -> Reply:
        account = await self._txt(call)

        def read() -> Steps[dict[str, object]]:
            values = yield from txt.values(account.subdomain)
            aliases = yield from records.aliases_to(account.fulldomain)
            return {"values": [one.value for one in values], "aliases": [one.name for one in aliases]}

        return _json({**_txt(account), **(await self._db.read(read()))})

    async def _delete_txt(self, call: Call, bearer: Bearer) -> Reply:
        account = await self._txt(call)
        aliases = await self._db.write(administration.delete(account, **self._by(call, bearer)))
        if aliases:
            await self._changed()
        return _json({"deleted": account.fulldomain, "aliases": aliases or []})

    async def _rotate_txt(self, call: Call, bearer: Bearer) -> Reply:
        credentials = await self._db.write(administration.rotate(await self._txt(call), **self._by(call, bearer)))
        if credentials is None:
            raise AdminError("the account has changed meanwhile; ask again", 409)
        return _json(credentials)

    async def _scope_txt(self, call: Call, bearer: Bearer) -> Reply:
        names = (json_object(call.body) or {}).get("names")
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise AdminError('the body must be {"names": [...]}, a list of names', 400)
        try:
            wanted = scope.read(names)
        except BadName as error:
            raise AdminError(str(error), 400) from None
        account = await self._db.write(administration.rescope(await self._txt(call), wanted, **self._by(call, bearer)))
        if account is None:
            raise AdminError("there is no such account", 404)
        return _json(_txt(account))

    async def _list_acme(self, call: Call, bearer: Bearer) -> Reply:
        return _json({"accounts": [_acme(one) for one in await self._db.read(accounts.listing())], "next": None})

    async def _show_acme(self, call: Call, bearer: Bearer) -> Reply:
        account = await self._db.read(accounts.by_id(call.path["id"]))
        if account is None:
            raise AdminError("there is no such account", 404)
        return _json(_acme(account))

    async def _deactivate_acme(self, call: Call, bearer: Bearer) -> Reply:
        ended = await self._db.write(acme_administration.deactivate(call.path["id"], **self._by(call, bearer)))
        if ended is None:
            raise AdminError("there is no such account", 404)
        return await self._show_acme(call, bearer)

    async def _txt(self, call: Call) -> TxtAccount:
        account = await self._db.read(administration.find(call.path["id"]))
        if account is None:
            raise AdminError("there is no such account", 404)
        return account

    def _by(self, call: Call, bearer: Bearer) -> Any:
        return {"actor": bearer.actor, "via": call.source, "now": self._acmedns.clock()}


def _txt(account: TxtAccount) -> dict[str, object]:
    return {
        "username": account.username,
        "subdomain": account.subdomain,
        "fulldomain": account.fulldomain,
        "allowfrom": account.allow_from,
        "scope": account.scope,
        "created": rfc3339(account.created_ms // 1000),
        "created_from": account.created_from,
        "last_used": rfc3339(account.used_ms // 1000) if account.used_ms else None,
    }


def _acme(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "status": account.status,
        "provisioner": account.provisioner,
        "thumbprint": account.thumbprint,
        "contacts": account.contacts,
        "created": rfc3339(account.created_at),
        "created_from": account.created_from,
        "external_key": account.external_key,
        "terms": account.terms or None,
    }


def _page(query: str) -> tuple[str, int]:
    """Read `after` and `limit`; raises AdminError."""
    try:
        wanted = {key: values[-1] for key, values in parse_qs(query, max_num_fields=_FIELDS).items()}
    except ValueError:
        raise AdminError(f"a query has at most {_FIELDS} fields", 400) from None
    limit = wanted.get("limit", str(_PAGE))
    if not _LIMIT.fullmatch(limit):
        raise AdminError("limit must be a number from 1 to 1000", 400)
    return wanted.get("after", ""), int(limit)


def _json(value: object, status: int = 200) -> Reply:
    return Reply(
        msgspec.json.encode(value), status, media_type="application/json", headers={"cache-control": "no-store"}
    )


def _error(error: Exception, path: Mapping[str, Any]) -> Reply:
    headers: dict[str, str] = {}
    match error:
        case AdminError() | Refusal():
            detail, status, headers = str(error), error.status, error.headers
        case StoreUnavailable():
            detail, status, headers = "the store cannot answer now; try again soon", 503, {"Retry-After": _RETRY_AFTER}
        case _:
            detail, status = "the server made a mistake; its log says more", 500
    problem = {"type": "about:blank", "status": status, "detail": detail}
    return Reply(msgspec.json.encode(problem), status, headers=headers, media_type="application/problem+json")
