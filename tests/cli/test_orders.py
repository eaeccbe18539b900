from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, HOST, Running
from tests.store.test_sweep import DAY, Case, add, opened

NAME = f"ordered.{DOMAIN}"


@pytest.fixture(scope="module")
def order_id(shared: Running) -> Iterator[str]:
    """An order that came to its end."""
    assert shared.register(NAME).returncode == 0
    with closing(Client(shared)) as client:
        prepared = client.prove(NAME, f"*.{NAME}")
        client.finish(prepared)
        yield str(prepared.order.uri).rpartition("/")[2]


def test_the_list_has_it(shared: Running, order_id: str) -> None:
    done = run("orders", "list", "--data", shared.folder)
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["ID", "STATUS", "CREATED", "NAMES"]
    (row,) = [row for row in rows if order_id in row]
    assert row.split()[1] == "valid"
    assert NAME in row
    assert f"*.{NAME}" in row


def test_the_newest_comes_first_and_the_list_may_be_short(shared: Running, order_id: str) -> None:
    listed = json.loads(run("orders", "list", "--json", "--data", shared.folder).stdout)
    assert [one["id"] for one in listed] == sorted((one["id"] for one in listed), reverse=True)
    one = json.loads(run("orders", "list", "--json", "--limit", "1", "--data", shared.folder).stdout)
    assert one == listed[:1]


def test_the_story_of_an_order(shared: Running, order_id: str) -> None:
    done = run("orders", "explain", order_id, "--data", shared.folder)
    first, *events = done.stdout.splitlines()
    assert re.fullmatch(rf"order {order_id} for .*: valid", first)
    kinds = [event.split()[2] for event in events]
    wanted = ["challenge", "valid", "finalize", "issued", "download"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in wanted] == wanted
    assert any(f"_acme-challenge.{NAME}" in event and HOST in event and "ms)" in event for event in events)


def test_the_story_as_json(shared: Running, order_id: str) -> None:
    story = json.loads(run("orders", "explain", order_id, "--json", "--data", shared.folder).stdout)
    assert (story["id"], story["status"], story["error"]) == (order_id, "valid", None)
    assert sorted(story["names"]) == [f"*.{NAME}", NAME]
    times = [event["at"] for event in story["events"]]
    assert times == sorted(times)


def test_an_order_that_is_none(shared: Running) -> None:
    done = run("orders", "explain", "nothing", "--data", shared.folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "zonemint: there is no order 'nothing'; `zonemint orders list` shows them\n"


async def test_an_order_that_nobody_finished_is_over_when_it_expires(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert run("init", "--data", folder, "--domain", "lab.test").returncode == 0
    async with opened(folder) as db:
        await db.write(add(1, Case(0, "pending", DAY), 0))
    done = run("orders", "explain", "0001", "--data", folder)
    assert done.stdout.splitlines()[0].endswith(": invalid"), done
    assert "why: the order expired at 1970-01-02T00:00:00Z; make a new one" in done.stdout
    (listed,) = json.loads(run("orders", "list", "--json", "--data", folder).stdout)
    assert listed["status"] == "invalid"
