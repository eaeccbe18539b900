"""Requests from the scripts of other web sites (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zonemint.web.endpoint import Call, Endpoint, Handler, OnError, Sources
from zonemint.web.reply import Reply

__all__ = ["CrossOrigin"]

_ALLOWED_HEADERS = "Authorization, Content-Type, X-Api-Key, X-Api-User"
_MAX_AGE = "600"  # seconds


class CrossOrigin(Endpoint):
    """An endpoint that scripts of the given origins may use and read, errors included; `*` is every origin.

    `exposed` are headers of replies that a browser would else keep from a script. Cookies are nothing to us, so
    credentials mode is never allowed.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        origins: Sequence[str],
        on_error: OnError,
        sources: Sources,
        body_limit: int,
        exposed: str = "",
        check: Callable[[Call], None] = lambda call: None,
    ) -> None:
        self._exposed = exposed
        self._origins = frozenset(origins)
        self._methods = ", ".join(sorted(handlers))
        extra = {"OPTIONS": self._preflight} if origins else {}
        super().__init__({**handlers, **extra}, on_error=on_error, sources=sources, body_limit=body_limit, check=check)

    async def respond(self, call: Call) -> Reply:
        """Answer as an endpoint does, and tell a browser whose script may read it."""
        reply = await super().respond(call)
        if not self._origins:
            return reply
        origin = call.headers.get("origin", "")
        if "*" in self._origins:
            reply.add("access-control-allow-origin", "*")
        else:
            reply.add("vary", "Origin")
            if origin in self._origins:
                reply.add("access-control-allow-origin", origin)
        if self._exposed:
            reply.add("access-control-expose-headers", self._exposed)
        return reply

    async def _preflight(self, call: Call) -> Reply:
        headers = {
            "access-control-allow-methods": self._methods,
            "access-control-allow-headers": _ALLOWED_HEADERS,
            "access-control-max-age": _MAX_AGE,
        }
        return Reply(status=204, headers=headers)
