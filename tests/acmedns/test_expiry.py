"""A value may be given an end; without one it lasts as long as the setting says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.web.fixtures import pytest_asyncio_loop_factories
from tests.web.lab import Lab, running
from tests.web.wire import Reply

__all__ = ["pytest_asyncio_loop_factories"]


async def update(lab: Lab, account: dict[str, str], value: str, **more: object) -> Reply:
    headers = {"X-Api-User": account["username"], "X-Api-Key": account["password"]}
    body = {"subdomain": account["subdomain"], "txt": value, **more}
    return await lab.send("POST", "/update", headers, json.dumps(body).encode())


async def test_a_value_goes_when_its_time_is_over(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        account = (await lab.send("POST", "/register")).json()
        short, other = "s" * 43, "o" * 43
        reply = await update(lab, account, short, expires_in=60)
        assert (reply.status, reply.json()) == (200, {"txt": short})
        assert (await update(lab, account, other)).status == 200
        assert set(await lab.texts(account["fulldomain"])) == {short, other}
        lab.clock.offset += 61
        assert await lab.texts(account["fulldomain"]) == [other]
        # The newest word on a value holds.
        assert (await update(lab, account, short, Expires_In=None)).status == 200
        lab.clock.offset += 3600
        assert set(await lab.texts(account["fulldomain"])) == {short, other}
        lab.clock.offset += 86400
        assert await lab.texts(account["fulldomain"]) == []


@pytest.mark.parametrize("end", [0, -1, 1.5, "60", True, [], 10**30])
async def test_an_end_that_is_none_is_refused(tmp_path: Path, end: object) -> None:
    async with running(tmp_path / "data") as lab:
        account = (await lab.send("POST", "/register")).json()
        reply = await update(lab, account, "v" * 43, expires_in=end)
        assert (reply.status, reply.json()) == (400, {"error": "bad_expires_in"})
        assert await lab.texts(account["fulldomain"]) == []
