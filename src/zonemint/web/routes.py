"""The route tables: every URL that the two listeners answer."""

from __future__ import annotations

from zonemint.web import problems
from zonemint.web.acme import AcmeResources
from zonemint.web.acmedns import AcmeDnsResources
from zonemint.web.admin import AdminResources
from zonemint.web.dispatch import Dispatcher, Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.health import HealthResources
from zonemint.web.pki import PkiResources
from zonemint.web.reply import Reply
from zonemint.web.storage import StorageResources

__all__ = ["http_routes", "https_routes"]


def https_routes(
    acme: AcmeResources,
    acmedns: AcmeDnsResources,
    storage: StorageResources,
    admin: AdminResources,
    pki: PkiResources,
) -> Dispatcher:
    """Return what the HTTPS listener answers: ACME, the acme-dns API and beside it, and what everyone may fetch."""
    return _dispatcher([*acme.routes(), *acmedns.routes(), *storage.routes(), *admin.routes(), *pki.routes()])


def http_routes(pki: PkiResources, health: HealthResources) -> Dispatcher:
    """Return what the plain listener answers: only what must not need TLS."""
    return _dispatcher([*pki.routes(), *health.routes()])


def _dispatcher(routes: list[Route]) -> Dispatcher:
    async def missing(call: Call) -> Reply:
        return Reply("there is nothing at this URL\n", 404, media_type="text/plain")

    methods = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), missing)
    return Dispatcher(routes, missing=Endpoint(methods, on_error=problems.response, sources=Sources()))
