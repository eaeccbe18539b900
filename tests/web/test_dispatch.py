from __future__ import annotations

import pytest

from zonemint.web import problems
from zonemint.web.dispatch import Dispatcher, Route
from zonemint.web.endpoint import Endpoint, Sources

ENDPOINTS = {
    path: Endpoint({}, on_error=problems.response, sources=Sources())
    for path in ("/a", "/a/{one}", "/a/b/{two}", "/rest", "/rest/{all*}", "missing")
}


@pytest.mark.parametrize(
    ("path", "route", "texts"),
    [
        ("/a", "/a", {}),
        ("/a/x", "/a/{one}", {"one": "x"}),
        ("/a/b/x", "/a/b/{two}", {"two": "x"}),
        ("/a/x/y", "missing", {}),
        ("/a/", "missing", {}),
        ("/rest", "/rest", {}),
        ("/rest/", "/rest/{all*}", {"all": ""}),
        ("/rest/x", "/rest/{all*}", {"all": "x"}),
        ("/rest/x//y/=", "/rest/{all*}", {"all": "x//y/="}),
        ("/", "missing", {}),
    ],
)
def test_the_segments_choose(path: str, route: str, texts: dict[str, str]) -> None:
    routes = [Route(one, endpoint) for one, endpoint in ENDPOINTS.items() if one != "missing"]
    endpoint, found = Dispatcher(routes, missing=ENDPOINTS["missing"]).find(path)
    assert (endpoint, found) == (ENDPOINTS[route], texts)
