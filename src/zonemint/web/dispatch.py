"""Which endpoint a path belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zonemint.web.endpoint import Endpoint

__all__ = ["Dispatcher", "Route"]


class Route(NamedTuple):
    """A line of the route table: a path whose `{name}` segments stand for any text, and its endpoint.

    `{name*}` at the end stands for all that is left, slashes included.
    """

    path: str
    endpoint: Endpoint


class _Node:
    """The routes that share their first segments."""

    __slots__ = ("any", "endpoint", "fixed", "names", "rest")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.rest: _Node | None = None
        self.endpoint: Endpoint | None = None
        self.names: tuple[str, ...] = ()


class Dispatcher:
    """Finds routes by the segments of a path: a fixed segment comes before one that stands for any text."""

    def __init__(self, routes: Iterable[Route], *, missing: Endpoint) -> None:
        self._root = _Node()
        self._missing = missing
        for route in routes:
            self._add(route)

    def find(self, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        """Return the endpoint of a path, percent-decoded, and the texts of its `{name}` segments."""
        node = self._root
        texts: list[str] = []
        segments = path.split("/")[1:]
        for at, segment in enumerate(segments):
            following = node.fixed.get(segment)
            if following is None:
                if node.rest is not None:
                    node = node.rest
                    texts.append("/".join(segments[at:]))
                    break
                following = node.any
                if following is None or not segment:
                    return self._missing, {}
                texts.append(segment)
            node = following
        if node.endpoint is None:
            return self._missing, {}
        return node.endpoint, dict(zip(node.names, texts, strict=True))

    def _add(self, route: Route) -> None:
        node = self._root
        names = []
        for segment in route.path.split("/")[1:]:
            if segment.endswith("*}"):
                names.append(segment.strip("{*}"))
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.fixed.setdefault(segment, _Node())
        node.endpoint = route.endpoint
        node.names = tuple(names)
