"""The route tables of the listeners, put together from those of the resources that run."""

from __future__ import annotations

from typing import Protocol

from zonemint.web import problems
from zonemint.web.dispatch import Dispatcher, Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.reply import Reply

__all__ = ["Resources", "dispatcher"]


class Resources(Protocol):
    """Handlers and the URLs that lead to them."""

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        ...


def dispatcher(*resources: Resources) -> Dispatcher:
    """Return what a listener answers: these, and that there is nothing anywhere else."""
    routes = [route for one in resources for route in one.routes()]

    async def missing(call: Call) -> Reply:
        return Reply("there is nothing at this URL\n", 404, media_type="text/plain")

    methods = dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"), missing)
    return Dispatcher(routes, missing=Endpoint(methods, on_error=problems.response, sources=Sources()))
