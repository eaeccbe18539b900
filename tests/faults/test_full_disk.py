"""A full disk: nothing is taken that cannot be kept, DNS goes on, and freed space is all that it needs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from acme import errors, messages

from tests.app.client import Client
from tests.cli.program import run
from tests.faults.answers import ready, register, update
from tests.faults.mounts import fill_up, tmpfs
from tests.server import DOMAIN, HOST, Running, running, until

NAME = f"server-1.{DOMAIN}"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "small", "8m") as point:
        yield point


@pytest.fixture
def server(small: Path) -> Iterator[Running]:
    with running(small / "data") as one:
        yield one


def commands(folder: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    yield run("register", "other", "--data", folder)
    yield run("zone", "add", DOMAIN, "other", "60", "A", "192.0.2.1", "--data", folder)


def test_writes_are_refused_until_there_is_space_and_then_go_on(small: Path, server: Running) -> None:
    assert server.register(NAME).returncode == 0
    account = json.loads((server.folder / "acmedns.json").read_text())[NAME]
    assert update(server, account, "a" * 43).status == 200
    with closing(Client(server)) as client:
        first = client.order(NAME)
        client.set_values(first)
        client.respond(first)
        chain = client.finish(first)

        ballast = fill_up(small)
        for _ in range(3):
            assert register(server)[:2] == (503, "5")
            assert update(server, account, "b" * 43) == (503, "5", '{"error": "db_error"}')
        with pytest.raises((messages.Error, errors.ClientError)) as refusal:
            client.order(NAME)
        assert "try again soon" in str(refusal.value)
        assert ready(server)[:2] == (503, "5")
        assert f"{server.folder}/zonemint.db: the disk is full: free some space" in ready(server).text
        # What was told is told again, and DNS answers from memory and store.
        assert client.finish(first) == chain
        assert server.answers(f"ca.{DOMAIN}", "A") == [HOST]
        assert f'"{"a" * 43}"' in server.answers(account["fulldomain"], "TXT")
        assert f'"{"b" * 43}"' not in server.answers(account["fulldomain"], "TXT")
        for command in commands(server.folder):
            assert (command.returncode, command.stdout) == (1, "")
            assert command.stderr.count("\n") == 1
            assert "the disk is full" in command.stderr

        ballast.unlink()
        until(lambda: ready(server).status == 200, "the server finds by itself that there is space again")
        assert update(server, account, "b" * 43).status == 200
        assert f'"{"b" * 43}"' in server.answers(account["fulldomain"], "TXT")
        second = client.order(NAME)
        client.set_values(second)
        client.respond(second)
        assert client.finish(second)
        for command in commands(server.folder):
            assert command.returncode == 0, command.stderr
    until(lambda: "the store is back" in server.said(), "the log tells it")
    assert "Traceback" not in server.said()


def test_what_was_told_before_is_there_after_a_crash_on_a_full_disk(small: Path) -> None:
    with running(small / "data") as server:
        told = [json.loads(register(server).text)["username"] for _ in range(20)]
        ballast = fill_up(small)
        assert register(server).status == 503
        server.process.kill()
        server.process.wait(30)
    ballast.unlink()
    with running(small / "data") as server:
        assert ready(server).status == 200
        told.append(json.loads(register(server).text)["username"])
    with closing(sqlite3.connect(small / "data/zonemint.db")) as db:
        assert set(told) <= {row[0] for row in db.execute("SELECT username FROM txt_accounts")}
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_folder_cannot_be_made_on_a_full_disk(small: Path) -> None:
    ballast = fill_up(small)
    for command in ("init", "up"):
        refused = run(command, "--domain", DOMAIN, "--data", small / "data")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.count("\n") == 1
        assert str(small / "data") in refused.stderr
        assert "No space left" in refused.stderr
    ballast.unlink()
    made = run("init", "--domain", DOMAIN, "--data", small / "data")
    assert made.returncode == 0, made.stderr
