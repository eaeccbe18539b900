"""The route tables: every URL that the two listeners answer."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router

from zonemint.web import problems
from zonemint.web.acme import AcmeResources
from zonemint.web.acmedns import AcmeDnsResources
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.health import HealthResources
from zonemint.web.pki import PkiResources

__all__ = ["http_routes", "https_routes"]


def https_routes(acme: AcmeResources, acmedns: AcmeDnsResources, pki: PkiResources) -> Router:
    """Return the application of the HTTPS listener: ACME, the acme-dns API, and what everyone may fetch."""
    return _router([*acme.routes(), *acmedns.routes(), *pki.routes()])


def http_routes(pki: PkiResources, health: HealthResources) -> Router:
    """Return the application of the plain listener: only what must not need TLS."""
    return _router([*pki.routes(), *health.routes()])


def _router(routes: list[BaseRoute]) -> Router:
    async def missing(call: Call) -> Response:
        return Response("there is nothing at this URL\n", 404, media_type="text/plain")

    methods = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), missing)
    nowhere = Endpoint(methods, on_error=problems.response, sources=Sources())
    return Router([*routes, Route("/{path:path}", nowhere)], redirect_slashes=False)
