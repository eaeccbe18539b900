"""What a browser asks before it lets a script of another web site use the API, and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acmedns.test_registration import with_api
from tests.web.lab import running

SITE = "https://www.lab.test"


async def test_without_a_setting_no_site_may(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api()) as lab:
        for method in ("OPTIONS", "POST"):
            reply = await lab.send(method, "/register", {"Origin": SITE, "Access-Control-Request-Method": "POST"})
            assert reply.status == (405 if method == "OPTIONS" else 201)
            assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("origins", [(SITE, "http://localhost:3000"), ("*",)])
async def test_a_preflight_allows_what_an_update_needs(tmp_path: Path, origins: tuple[str, ...]) -> None:
    asks = {
        "Origin": SITE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key,x-api-user",
    }
    told = "*" if origins == ("*",) else SITE
    async with running(tmp_path / "data", with_api(origins=origins)) as lab:
        for path in ("/register", "/update", "/health"):
            reply = await lab.send("OPTIONS", path, asks)
            assert (reply.status, reply.body) == (204, b"")
            assert reply.header("Access-Control-Allow-Origin") == told
            allowed = (reply.header("Access-Control-Allow-Headers") or "").lower().split(", ")
            assert {"content-type", "x-api-key", "x-api-user"} <= set(allowed)
            assert reply.header("Access-Control-Allow-Credentials") is None
        assert reply.header("Access-Control-Allow-Methods") == "GET"
        assert (await lab.send("OPTIONS", "/update", asks)).header("Access-Control-Allow-Methods") == "POST"
        # A script reads refusals too.
        assert (await lab.send("POST", "/register", asks)).header("Access-Control-Allow-Origin") == told
        refused = await lab.send("POST", "/update", asks, b"{}")
        assert (refused.status, refused.header("Access-Control-Allow-Origin")) == (401, told)


async def test_another_site_is_told_nothing_and_caches_know_it(tmp_path: Path) -> None:
    async with running(tmp_path / "data", with_api(origins=(SITE,))) as lab:
        for origin in ("https://evil.test", "null", "https://www.lab.test.evil.test", ""):
            reply = await lab.send("OPTIONS", "/update", {"Origin": origin})
            assert reply.header("Access-Control-Allow-Origin") is None
            assert reply.header("Vary") == "Origin"
