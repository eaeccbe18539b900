from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import urllib.error
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests import server
from tests.cli.program import run
from tests.importers.acme_dns import SCHEMAS, Client, fill, hashed, rows
from tests.postgres import Postgres, query
from tests.server import Running

OLD, NEW, NEWEST = "o" * 43, "n" * 43, "N" * 43
CONFIG = """\
[general]
domain = "{domain}"
records = ["auth.lab.test. A 192.0.2.1", "Note.lab.test. TXT \\"Keep The Case\\"", "elsewhere.test. A 192.0.2.1"]
[database]
engine = "{engine}"
connection = "{connection}"
[api]
disable_registration = true
"""


def imported(*words: str | Path) -> dict[str, Any]:
    done = run("import", "acme-dns", *words, "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def update(running: Running, client: Client, value: str, key: str = "") -> int:
    body = json.dumps({"subdomain": client.subdomain, "txt": value}).encode()
    headers = {"X-Api-User": client.username, "X-Api-Key": key or client.password}
    try:
        running.get("/update", body=body, headers=headers)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def contents(folder: Path) -> list[Any]:
    assert run("audit", "list", "--data", folder).returncode == 0  # which makes the store
    with sqlite3.connect(folder / "zonemint.db") as db:
        tables = ("txt_accounts", "txt_values", "records", "zone_serials", "audit")
        return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def test_old_credentials_set_a_value_that_dns_serves(shared: Running, tmp_path: Path) -> None:
    now = int(time.time())
    client = Client(values=((OLD, now - 2), (NEW, now - 1)), allow_from=("127.0.0.0/8",))
    strangers = Client(allow_from=("192.0.2.0/24",))
    file = fill(tmp_path / "acme-dns.db", [client, strangers])
    name = f"{client.subdomain}.auth.lab.test"

    assert imported(file, "--data", shared.folder)["accounts"] == 2

    assert shared.answers(name, "TXT") == [f'"{NEW}"', f'"{OLD}"']
    assert update(shared, client, NEWEST, key="k" * 40) == 401
    for _ in ("the old hash", "our own"):
        assert update(shared, client, NEWEST) == 200
        assert shared.answers(name, "TXT")[0] == f'"{NEWEST}"'
    assert update(shared, client, OLD, key="k" * 40) == 401
    assert update(shared, strangers, NEWEST) == 401
    with sqlite3.connect(shared.folder / "zonemint.db") as db:
        hashes = "SELECT substr(key_hash, 1, 7) FROM txt_accounts WHERE username = ?"
        assert db.execute(hashes, (client.username,)).fetchall() == [("blake2b",)]
    # What the owner has set since stays, and so does the key.
    assert imported(file, "--data", shared.folder)["accounts_here"] == 2
    assert shared.answers(name, "TXT")[0] == f'"{NEWEST}"'
    assert update(shared, client, NEWEST) == 200


def test_the_configuration_brings_all_and_the_second_time_nothing(folder: Path, tmp_path: Path) -> None:
    client = Client(values=((NEW, 1700000000),))
    fill(tmp_path / "acme-dns.db", [client], version=0)
    config = tmp_path / "config.cfg"
    config.write_text(CONFIG.format(domain="auth.lab.test", engine="sqlite3", connection="acme-dns.db"))

    report = imported(config, "--data", folder)
    before = contents(folder)
    again = imported(config, "--data", folder)

    assert [report[key] for key in ("accounts", "values", "records", "names")] == [1, 1, 1, {}]
    assert [one["what"].split()[1] for one in report["refused"]] == ["auth.lab.test.", "elsewhere.test."]
    assert [one["ours"] for one in report["settings"] if one["ours"]] == ['acmedns.registration = "closed"']
    assert [again[key] for key in ("accounts", "accounts_here", "values", "records")] == [0, 1, 0, 0]
    assert contents(folder) == before
    shown = json.loads(run("zone", "show", "lab.test", "--json", "--data", folder).stdout)
    assert [one["data"] for one in shown if one["name"] == "note.lab.test"] == ['"Keep The Case"']
    log = json.loads(run("audit", "list", "--json", "--data", folder).stdout)
    assert [one["subject"] for one in log if one["event"] == "txt-accounts.imported"] == ["auth.lab.test"]


def test_names_of_another_zone_are_listed(folder: Path, tmp_path: Path) -> None:
    client = Client()
    fill(tmp_path / "acme-dns.db", [client])
    config = tmp_path / "config.cfg"
    config.write_text(CONFIG.format(domain="acme.old.test", engine="sqlite", connection="acme-dns.db"))

    report = imported(config, "--data", folder)
    done = run("import", "acme-dns", config, "--data", folder)

    line = f"{client.subdomain}.acme.old.test -> {client.subdomain}.auth.lab.test"
    assert report["names"] == dict([line.split(" -> ")])
    assert line in done.stdout


def test_another_zone_is_served_where_the_settings_say_so(folder: Path, tmp_path: Path) -> None:
    client = Client()
    fill(tmp_path / "acme-dns.db", [client])
    config = tmp_path / "config.cfg"
    config.write_text(CONFIG.format(domain="acme.lab.test", engine="sqlite", connection="acme-dns.db"))
    assert imported(config, "--data", folder)["names"] != {}
    with (folder / "zonemint.toml").open("a") as settings:
        settings.write('extra_zones = ["acme.lab.test"]\n')

    report = imported(config, "--data", folder)
    with sqlite3.connect(folder / "zonemint.db") as db:
        zones = db.execute("SELECT zone FROM txt_accounts").fetchall()

    assert (report["zone"], report["moved"], report["names"]) == ("acme.lab.test", 1, {})
    assert zones == [("acme.lab.test",)]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 and no more", b"\x00\xff"])
def test_what_is_no_acme_dns_is_one_line_and_nothing_comes(folder: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign").write_bytes(content)
    before = contents(folder)

    done = run("import", "acme-dns", tmp_path / "foreign", "--data", folder)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{tmp_path}/foreign: " in done.stderr
    assert contents(folder) == before


def test_an_account_whose_name_is_taken_does_not_come(folder: Path, tmp_path: Path) -> None:
    first = Client()
    second = Client(subdomain=first.subdomain)
    third = Client(username=first.username)
    imported(fill(tmp_path / "first.db", [first]), "--data", folder)

    for name, one in (("second", second), ("third", third)):
        report = imported(fill(tmp_path / f"{name}.db", [one]), "--data", folder)
        assert (report["accounts"], report["accounts_here"]) == (0, 0)
        assert report["refused"][0]["why"] == "another one here has its user name or label"


def test_postgresql_to_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    theirs, ours = postgres.database(), postgres.database()
    clients = [Client(values=((OLD, 1700000000), (NEW, 1700000001))) for _ in range(250)]
    key_hash = hashed("k" * 40)

    async def make() -> None:
        connection = await asyncpg.connect(theirs)
        for statement in (*SCHEMAS[1], "INSERT INTO acmedns VALUES('db_version', '1')"):
            await connection.execute(statement)
        for number, client in enumerate(clients):
            for statement, values in rows(client, f"{key_hash[:-4]}{number:04}", 1, as_blob=False):
                for place in range(len(values)):
                    statement = statement.replace("?", f"${place + 1}", 1)
                await connection.execute(statement, *values)
        await connection.close()

    asyncio.run(make())
    data = tmp_path / "data"
    assert run("init", "--domain", server.DOMAIN, "--database", ours, "--data", data).returncode == 0
    config = tmp_path / "config.cfg"
    config.write_text(CONFIG.format(domain="auth.lab.test", engine="postgres", connection=theirs))

    assert imported(config, "--data", data)["accounts"] == 250
    assert imported(theirs, "--data", data)["accounts_here"] == 250
    assert query(ours, "SELECT count(*), max(sequence) FROM txt_values") == [(500, 2)]


@pytest.mark.alone
def test_a_hundred_thousand_accounts_come_in_less_than_half_a_minute(folder: Path, tmp_path: Path) -> None:
    now = int(time.time())
    clients = [Client(values=((OLD, now), (NEW, now))) for _ in range(100_000)]
    file = fill(tmp_path / "acme-dns.db", clients, key_hash=hashed("k" * 40))

    # `run` gives a program half a minute.
    report = imported(file, "--data", folder)

    assert (report["accounts"], report["values"], report["refused"]) == (100_000, 200_000, [])
