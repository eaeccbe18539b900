"""A backup that is made while a server works, and a server that works on what was restored."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, Ports, Running, running, until
from zonemint.dns.zones.records import is_later

NAME = f"server-1.{DOMAIN}"


@pytest.fixture
def ports() -> Ports:
    return Ports.free()


@pytest.fixture
def served(folder: Path, ports: Ports) -> Iterator[Running]:
    settings = folder / "zonemint.toml"
    # These tests register more than one address may.
    settings.write_text(settings.read_text().replace("\n[acmedns]\n", "\n[acmedns]\nregistrations_per_minute = 0\n", 1))
    with running(folder, ports) as one:
        assert one.register(NAME).returncode == 0
        yield one


def number(server: Running) -> int:
    """The number of the list that is published."""
    made = x509.load_der_x509_crl(server.fetch("/crl"))
    return made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def revoked(server: Running) -> int:
    return len(x509.load_der_x509_crl(server.fetch("/crl")))


def serial(server: Running) -> int:
    return int(server.answers(DOMAIN, "SOA")[0].split()[2])


def issue(client: Client) -> str:
    prepared = client.prove(NAME)
    client.finish(prepared)
    return str(prepared.order.uri)


def revoke_newest(server: Running) -> None:
    shown = json.loads(run("certs", "show", NAME, "--json", "--data", server.folder).stdout)
    before = revoked(server)
    assert run("certs", "revoke", shown["serial"], "--data", server.folder).returncode == 0
    until(lambda: revoked(server) > before, "the list has the revocation")


def test_the_restored_server_goes_on_where_the_backup_was(served: Running, ports: Ports, tmp_path: Path) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(closing(Client(served)))
        order = issue(client)
        chain = client.view(order)["certificate"]
        revoke_newest(served)
        assert run("backup", tmp_path / "backup", "--keys", "--data", served.folder).returncode == 0
        at_backup = number(served), serial(served)
        # What is published from here on is not in the backup, and clients have seen it.
        issue(client)
        revoke_newest(served)
        for one in range(3):
            assert served.register(f"later-{one}.{DOMAIN}").returncode == 0
        until(lambda: bool(served.answers(f"_acme-challenge.later-2.{DOMAIN}", "CNAME")), "the name is served")
        last = number(served), serial(served)
        assert last[0] > at_backup[0]
        assert is_later(last[1], at_backup[1])
        served.end()

        assert run("restore", tmp_path / "backup", "--data", tmp_path / "new").returncode == 0
        again = stack.enter_context(running(tmp_path / "new", ports))
        assert client.view(order)["certificate"] == chain
        assert revoked(again) == 1
        assert number(again) > last[0]
        assert is_later(serial(again), last[1])
        assert again.answers(f"_acme-challenge.{NAME}", "CNAME") == served_alias(again)
        client.server = again
        issue(client)
        revoke_newest(again)
        assert number(again) > last[0] + 1
        assert run("db", "check", "--all", "--data", again.folder).returncode == 0
        listed = run("audit", "list", "--event", "store.restored", "--json", "--data", again.folder)
        (entry,) = json.loads(listed.stdout)
        assert entry["actor"].startswith("cli:")
        assert run("audit", "verify", "--data", again.folder).returncode == 0


def served_alias(server: Running) -> list[str]:
    account = json.loads((server.folder / "acmedns.json").read_text())[NAME]
    return [f"{account['fulldomain']}."]


def test_what_was_answered_before_the_backup_began_is_in_it(served: Running, tmp_path: Path) -> None:
    answered: list[str] = []
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            answered.append(json.loads(served.get("/register", body=b"{}"))["subdomain"])

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(3):
            least = len(answered) + 30
            until(partial(_has, answered, least), "accounts are made")
            before = list(answered)
            assert run("backup", tmp_path / f"{round_}", "--data", served.folder).returncode == 0
            after = len(answered)
            assert run("restore", tmp_path / f"{round_}", "--data", tmp_path / f"new-{round_}").returncode == 0
            with closing(sqlite3.connect(tmp_path / f"new-{round_}" / "zonemint.db")) as db:
                found = {name for (name,) in db.execute("SELECT subdomain FROM txt_accounts")}
            assert set(before) <= found
            assert after > len(before), "the server wrote nothing meanwhile"
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _has(answered: list[str], least: int) -> bool:
    return len(answered) >= least


def test_no_restore_where_a_server_runs(served: Running, tmp_path: Path) -> None:
    assert run("backup", tmp_path / "backup", "--data", served.folder).returncode == 0
    done = run("restore", tmp_path / "backup", "--force", "--data", served.folder)
    assert done.returncode == 1
    assert "a server runs on this folder: stop it first" in done.stderr
    assert served.fetch("/ready")


def test_a_vacuum_waits_for_a_word(served: Running) -> None:
    done = run("db", "vacuum", "--data", served.folder)
    assert done.returncode == 1
    assert "a server runs on this folder" in done.stderr
    done = run("db", "vacuum", "--block", "--json", "--data", served.folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes_after"] > 0
    assert served.register(f"after.{DOMAIN}").returncode == 0
