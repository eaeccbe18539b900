"""Whether the server is up and ready, and its counters, for those who watch it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from zonemint.web import problems
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Sources
from zonemint.web.reply import Reply

__all__ = ["HealthResources"]


class HealthResources:
    """The handlers; `missing` names what is not ready, `metrics` writes the exposition format of Prometheus."""

    def __init__(
        self, missing: Callable[[], list[str]], metrics: Callable[[], Awaitable[bytes]], sources: Sources
    ) -> None:
        self._missing = missing
        self._metrics = metrics
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        return [
            Route(path, Endpoint({"GET": handler}, on_error=problems.response, sources=self._sources))
            for path, handler in {"/ready": self._ready, "/metrics": self._show_metrics}.items()
        ]

    async def _ready(self, call: Call) -> Reply:
        if missing := self._missing():
            return Reply(
                f"not ready: {', '.join(missing)}\n", 503, headers=problems.RETRY_AFTER, media_type="text/plain"
            )
        return Reply("OK", media_type="text/plain")

    async def _show_metrics(self, call: Call) -> Reply:
        return Reply(await self._metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
