"""A damaged file: never a wrong answer, a crash or a 500; what needs no store is answered, and all say what to do."""

from __future__ import annotations

import json
import random
import shutil
import urllib.error
from contextlib import closing
from pathlib import Path

import dns.rcode
import pytest
from acme import errors, messages

from tests.app.client import Client
from tests.cli.program import run
from tests.faults.answers import Answer, ready, register, update
from tests.faults.damage import damage, leaves
from tests.server import DOMAIN, HOST, Ports, Running, running, until, words_of

NAME = f"server-1.{DOMAIN}"
TOLD = "t" * 43
WHAT_TO_DO = "the file is damaged (database disk image is malformed): stop the server and restore a backup"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some of everything."""
    data = tmp_path_factory.mktemp("filled") / "data"
    with running(data) as server:
        assert server.register(NAME).returncode == 0
        for _ in range(40):
            assert register(server).status == 200
        with closing(Client(server)) as client:
            for _ in range(6):
                assert client.issue(NAME)
        assert update(server, account_in(data), TOLD).status == 200
    return data


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    return shutil.copytree(filled, tmp_path / "data")


def account_in(folder: Path) -> dict[str, str]:
    accounts: dict[str, dict[str, str]] = json.loads((folder / "acmedns.json").read_text())
    return accounts[NAME]


def order(server: Running) -> None:
    with closing(Client(server)) as client:
        client.issue(NAME)


def use(server: Running) -> list[Answer]:
    """Do everything that a client does, and return what it was told of the acme-dns API."""
    told = [register(server), update(server, account_in(server.folder), "u" * 43)]
    with pytest.raises((messages.Error, errors.ClientError, urllib.error.HTTPError)) as refusal:
        order(server)
    assert "the store cannot answer now; try again soon" in str(refusal.value) or "503" in str(refusal.value)
    return [*told, register(server), update(server, account_in(server.folder), "v" * 43)]


@pytest.mark.parametrize("table", ["accounts", "orders", "certificates", "traces", "txt_accounts", "txt_values"])
def test_pages_that_go_bad_while_a_server_runs(data: Path, table: str) -> None:
    pages = leaves(data / "zonemint.db", table)
    with running(data) as server:
        damage(data / "zonemint.db", pages, random.Random(1))
        for answer in use(server):
            assert answer.status in (200, 503), answer
            assert answer.status == 200 or answer[1:] == ("5", '{"error": "db_error"}')
        assert ready(server)[:2] == (503, "5")
        assert f"{data}/zonemint.db: {WHAT_TO_DO}" in ready(server).text
        assert server.answers(f"ca.{DOMAIN}", "A") == [HOST]
        assert server.answers(f"_acme-challenge.{NAME}", "CNAME")
        value = server.ask(account_in(data)["fulldomain"], "TXT")
        assert value.rcode() == dns.rcode.SERVFAIL
        until(lambda: WHAT_TO_DO in server.said(), "the log says it")
        assert "Traceback" not in server.said()
        assert "unexpected" not in server.said()


@pytest.mark.parametrize("table", ["certificates", "records", "zone_serials", "crls", "sqlite_schema"])
def test_a_start_on_what_it_cannot_do_without_is_refused(data: Path, table: str) -> None:
    damage(data / "zonemint.db", leaves(data / "zonemint.db", table), random.Random(1))
    refused = run(*words_of(data, Ports.free())[1:])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"zonemint: {data}/zonemint.db: {WHAT_TO_DO}\n"


@pytest.mark.parametrize(("table", "command"), [("orders", "orders"), ("certificates", "certs"), ("records", "zone")])
def test_commands_say_what_to_do(data: Path, table: str, command: str) -> None:
    damage(data / "zonemint.db", leaves(data / "zonemint.db", table), random.Random(1))
    refused = run(command, "list", "--data", data)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"zonemint: {data}/zonemint.db: {WHAT_TO_DO}\n"
