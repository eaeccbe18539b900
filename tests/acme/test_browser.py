"""What a browser asks before a script of another web site may use ACME, and after (RFC 8555 section 6.1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acme.client import Client
from tests.web.lab import running, settings
from zonemint.config import Acme, SettingError

SITE = "https://www.lab.test"
PATHS = ("directory", "new-nonce", "new-order", "authz/x", "renewal-info/AAAA.AQ")
ASKS = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


async def test_without_a_setting_no_site_may(tmp_path: Path) -> None:
    async with running(tmp_path) as lab:
        for path in PATHS:
            assert (await lab.send("OPTIONS", f"/acme/acme/{path}", ASKS)).status == 405
            reply = await lab.send("GET", f"/acme/acme/{path}", ASKS)
            assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("origins", [(SITE, "http://localhost:3000"), ("*",)])
async def test_a_script_may_run_an_order_and_read_what_it_needs(tmp_path: Path, origins: tuple[str, ...]) -> None:
    told = "*" if origins == ("*",) else SITE
    async with running(tmp_path, settings(acme=Acme(origins=origins))) as lab:
        for path in PATHS:
            reply = await lab.send("OPTIONS", f"/acme/acme/{path}", ASKS)
            assert (reply.status, reply.header("Access-Control-Allow-Origin")) == (204, told)
            assert "Content-Type" in (reply.header("Access-Control-Allow-Headers") or "")
            signed = path in ("new-order", "authz/x")
            assert reply.header("Access-Control-Allow-Methods") == ("POST" if signed else "GET")
            # Refusals are read too, with the nonce for the next try.
            reply = await lab.send("POST", f"/acme/acme/{path}", ASKS)
            assert reply.status in (405, 415)
            assert reply.header("Access-Control-Allow-Origin") == told
            exposed = (reply.header("Access-Control-Expose-Headers") or "").split(", ")
            assert {"Replay-Nonce", "Location", "Link", "Retry-After"} == set(exposed)
            assert reply.header("Access-Control-Allow-Credentials") is None
        # Clients that are no browsers see no difference.
        client = Client(lab)
        assert (await client.register()).status == 201


def test_an_origin_is_one() -> None:
    with pytest.raises(SettingError, match="is not an origin"):
        Acme(origins=("www.lab.test",))
