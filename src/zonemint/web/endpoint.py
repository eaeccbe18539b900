"""One URL: its methods, the bound on its body, and the edge where errors become replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from zonemint.core.errors import ZonemintError

__all__ = ["BodyTooLarge", "Call", "Endpoint", "Handler", "MethodNotAllowed", "Refusal", "Sources", "WrongMediaType"]

_log = structlog.get_logger()


class Refusal(ZonemintError):
    """A request that HTTP itself refuses; `status` and `headers` are those of the reply."""

    status = 400

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})


class MethodNotAllowed(Refusal):
    """The resource does not have this method (RFC 9110 section 15.5.6)."""

    status = 405


class BodyTooLarge(Refusal):
    """The body is larger than the resource takes (section 15.5.14)."""

    status = 413


class WrongMediaType(Refusal):
    """The body's media type is not the resource's (section 15.5.16)."""

    status = 415


@dataclass(frozen=True, slots=True)
class Sources:
    """Tells a request's address; only proxies in `trusted` are believed what they say of others."""

    trusted: Sequence[IPv4Network | IPv6Network] = ()

    def of(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Return the client's address: the last one in X-Forwarded-For that is no trusted proxy's."""
        client = scope.get("client")
        address: str = client[0] if client else ""
        if not self.trusted or not self._is_trusted(address):
            return address
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            hop = hop.strip()
            if not hop:
                continue
            address = hop
            if not self._is_trusted(hop):
                break
        return address

    def _is_trusted(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `headers` have lower-case names, `path` the parameters of the route."""

    method: str
    headers: Mapping[str, str]
    path: Mapping[str, Any]
    query: str
    body: bytes
    source: str
    url_path: str


Handler = Callable[[Call], Awaitable[Response]]
OnError = Callable[[Exception, Mapping[str, Any]], Response]
"""Makes the reply to an error, from it and the parameters of the route."""


class Endpoint:
    """An ASGI application for one URL; what its handlers raise is answered by `on_error`, and nothing escapes it."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        on_error: OnError,
        sources: Sources,
        body_limit: int = 65536,
        check: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers.setdefault("HEAD", handlers["GET"])
        self._on_error = on_error
        self._sources = sources
        self._body_limit = body_limit
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._respond(scope, receive)
        except ClientDisconnect:
            return
        except Exception as error:
            if not isinstance(error, ZonemintError):
                _log.exception("a request failed unexpectedly", path=scope["path"])
            response = self._on_error(error, scope.get("path_params", {}))
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        method: str = scope["method"]
        handler = self._handlers.get(method)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if handler is None:
            allowed = ", ".join(sorted(self._handlers))
            raise MethodNotAllowed(f"{method} is not for this URL; it takes {allowed}", {"Allow": allowed})
        call = Call(
            method,
            headers,
            scope.get("path_params", {}),
            scope["query_string"].decode("latin-1"),
            b"" if method in ("GET", "HEAD") else await self._read(headers, receive),
            self._sources.of(scope, headers),
            scope["path"],
        )
        self._check(call)
        return await handler(call)

    async def _read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read the body, never more than its bound."""
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._body_limit:
            raise BodyTooLarge(f"the body has {announced} octets; at most {self._body_limit} are taken")
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body") or b""
            if len(body) > self._body_limit:
                raise BodyTooLarge(f"the body is larger than the {self._body_limit} octets that are taken")
            if not message.get("more_body"):
                return body
