"""One URL: its methods, the bound on its body, and the edge where errors become replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from ssl import SSLObject
from typing import Any

import structlog

from zonemint.core.errors import StoreError, ZonemintError
from zonemint.web.reply import Reply

__all__ = [
    "BodyTooLarge",
    "Call",
    "Endpoint",
    "Handler",
    "MethodNotAllowed",
    "OnError",
    "Refusal",
    "Sources",
    "WrongMediaType",
]

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

    def of(self, address: str, headers: Mapping[str, str]) -> str:
        """Return the client's address: the connection's, or the last in X-Forwarded-For that is no trusted proxy's."""
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


@dataclass(slots=True)
class Call:
    """One request: `headers` have lower-case names, `path` the parameters of the route.

    `is_too_large` tells that the body is not whole, since it was larger than any resource takes; `tls` is the
    connection's, with the certificate that a client may have shown.
    """

    method: str
    headers: Mapping[str, str]
    path: Mapping[str, Any]
    query: str
    body: bytes
    source: str
    url_path: str
    is_too_large: bool = False
    tls: SSLObject | None = None


Handler = Callable[[Call], Awaitable[Reply]]
OnError = Callable[[Exception, Mapping[str, Any]], Reply]
"""Makes the reply to an error, from it and the parameters of the route."""


class Endpoint:
    """One URL; what its handlers raise is answered by `on_error`, and nothing escapes it."""

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

    async def respond(self, call: Call) -> Reply:
        """Answer one request, whose `source` is the address at the other end of the connection."""
        try:
            handler = self._handlers.get(call.method)
            if handler is None:
                allowed = ", ".join(sorted(self._handlers))
                raise MethodNotAllowed(f"{call.method} is not for this URL; it takes {allowed}", {"Allow": allowed})
            if call.is_too_large or len(call.body) > self._body_limit:
                raise BodyTooLarge(f"the body is larger than the {self._body_limit} octets that are taken")
            call.source = self._sources.of(call.source, call.headers)
            self._check(call)
            return await handler(call)
        except Exception as error:
            if not isinstance(error, ZonemintError):
                _log.exception("a request failed unexpectedly", path=call.url_path)
            elif isinstance(error, StoreError):
                _log.error("the store failed a request", path=call.url_path, error=str(error))
            return self._on_error(error, call.path)
