"""The query after an update's reply sees the value, however many update and ask at the same time."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.nodes import nodes
from tests.postgres import Postgres
from tests.programs import require_program
from tests.web.lab import Lab

UPDATERS = 64
ROUNDS = 8
QUERIES = 10_000  # a second

pytestmark = pytest.mark.asyncio(loop_scope="module")

Texts = Callable[[str], Awaitable[list[str]]]


@asynccontextmanager
async def flood(folder: Path, port: int, names: list[str]) -> AsyncIterator[None]:
    """Ask a DNS server for the names again and again meanwhile; every question must be answered, and well."""
    program = require_program("dnsperf")
    queries = folder / "queries"
    queries.write_text("".join(f"{name} TXT\n" for name in names))
    words = ["-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-Q", str(QUERIES), "-l", "120", "-e"]
    perf = await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.PIPE)
    try:
        yield
        perf.send_signal(signal.SIGINT)
        said = (await perf.communicate())[0].decode()
    finally:
        if perf.returncode is None:
            perf.kill()
            await perf.wait()
    completed = re.search(r"Queries completed: +(\d+)", said)
    assert completed is not None, said
    assert int(completed[1]) > len(names), said
    codes = re.search(r"Response codes: +(.*)", said)
    assert codes is not None, said
    assert codes[1].startswith("NOERROR"), said
    assert "SERVFAIL" not in codes[1], said


async def update_and_look(lab: Lab, account: dict[str, Any], number: int, texts: Texts) -> None:
    headers = {"X-Api-User": account["username"], "X-Api-Key": account["password"]}
    for turn in range(ROUNDS):
        value = f"{number:020}{turn:023}"
        body = json.dumps({"subdomain": account["subdomain"], "txt": value}).encode()
        assert (await lab.send("POST", "/update", headers, body)).status == 200
        assert (await texts(account["fulldomain"]))[0] == value


async def test_the_next_query_sees_the_value_under_load(lab: Lab, tmp_path: Path) -> None:
    accounts = [(await lab.send("POST", "/register")).json() for _ in range(UPDATERS)]
    async with flood(tmp_path, lab.server.dns_port, [one["fulldomain"] for one in accounts]):
        updates = [update_and_look(lab, one, number, lab.texts) for number, one in enumerate(accounts)]
        await asyncio.gather(*updates)


async def test_so_does_the_next_query_to_another_node(postgres: Postgres, tmp_path: Path) -> None:
    async with nodes(tmp_path / "two", postgres.database(), keys=(True, True)) as two:
        first, second = two.each
        accounts = [(await first.send("POST", "/register")).json() for _ in range(UPDATERS)]
        async with flood(tmp_path, second.server.dns_port, [one["fulldomain"] for one in accounts]):
            updates = [update_and_look(first, one, number, second.texts) for number, one in enumerate(accounts)]
            await asyncio.gather(*updates)
