from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, Running

VALUE = "v" * 43


def accounts(server: Running, *words: str) -> Any:
    return run("accounts", *words, "--data", server.folder)


def listed(server: Running, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(accounts(server, "list", "--json", *words).stdout)
    return rows


def registered(server: Running, name: str) -> dict[str, Any]:
    done = run("register", name, "--for", "json", "--data", server.folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)[name]
    return found


@pytest.mark.parametrize("kind", ["acme", "txt"])
def test_both_kinds_are_listed(shared: Running, kind: str) -> None:
    name = f"listed-{kind}.{DOMAIN}"
    account = registered(shared, name)
    with closing(Client(shared)):
        pass
    rows = listed(shared, "--kind", kind)
    assert {row["kind"] for row in rows} == {kind}
    assert kind == "acme" or account["username"] in {row["id"] for row in rows}
    both = listed(shared)
    assert {row["kind"] for row in both} == {"acme", "txt"}
    head, *lines = accounts(shared, "list").stdout.splitlines()
    assert head.split() == [
        "KIND",
        "ID",
        "STATUS",
        "CREATED",
        "LAST",
        "USED",
        "NAMES",
        "PROVISIONER",
        "EXTERNAL",
        "KEY",
    ]
    assert len(lines) == len(both)
    assert listed(shared, "--unused", "1h") == []


def test_a_txt_account_is_shown_by_any_of_its_names(shared: Running) -> None:
    name = f"shown.{DOMAIN}"
    account = registered(shared, name)
    for which in (account["username"], account["subdomain"], account["fulldomain"]):
        shown = json.loads(accounts(shared, "show", which, "--json").stdout)
        assert (shown["kind"], shown["id"], shown["aliases"]) == (
            "txt",
            account["username"],
            [f"_acme-challenge.{name}"],
        )
        assert account["password"] not in json.dumps(shown)
    assert f"fulldomain:    {account['fulldomain']}" in accounts(shared, "show", account["username"]).stdout


def test_a_rotated_key_is_told_once(shared: Running) -> None:
    account = registered(shared, f"rotated.{DOMAIN}")
    done = accounts(shared, "rotate", account["username"])
    new = json.loads(done.stdout)
    assert new["username"] == account["username"]
    assert new["password"] != account["password"]
    assert len(new["password"]) == 40


def test_a_scope_is_set_shown_and_lifted(shared: Running) -> None:
    account = registered(shared, f"scoped.{DOMAIN}")
    done = accounts(shared, "scope", account["username"], f"scoped.{DOMAIN}", f"*.x.{DOMAIN}")
    assert done.stdout == f"scoped.{DOMAIN}, *.x.{DOMAIN}\n"
    shown = json.loads(accounts(shared, "show", account["username"], "--json").stdout)
    assert shown["names"] == [f"scoped.{DOMAIN}", f"*.x.{DOMAIN}"]
    assert accounts(shared, "scope", account["username"], "--any").stdout == "every name\n"
    assert accounts(shared, "scope", account["username"]).returncode == 2
    assert accounts(shared, "scope", account["username"], "a_b").returncode == 1


def test_a_deleted_account_takes_its_cname_with_it(shared: Running) -> None:
    name = f"deleted.{DOMAIN}"
    account = registered(shared, name)
    done = accounts(shared, "delete", account["username"])
    assert done.returncode == 0
    assert done.stderr == f"deleted {account['fulldomain']}\nremoved the CNAME _acme-challenge.{name}\n"
    gone = accounts(shared, "show", account["username"])
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == (
        f"zonemint: there is no account '{account['username']}'; `zonemint accounts list` shows them\n"
    )


def test_an_acme_account_is_ended_and_then_orders_nothing(shared: Running) -> None:
    before = {row["id"] for row in listed(shared, "--kind", "acme")}
    with closing(Client(shared)):
        (ident,) = {row["id"] for row in listed(shared, "--kind", "acme")} - before
    assert json.loads(accounts(shared, "show", ident, "--json").stdout)["status"] == "valid"
    assert accounts(shared, "deactivate", ident).stderr == f"deactivated {ident}\n"
    assert json.loads(accounts(shared, "show", ident, "--json").stdout)["status"] == "deactivated"
    again = accounts(shared, "deactivate", ident)
    assert again.returncode == 1
    assert again.stderr == f"zonemint: the account {ident} is not valid any more\n"
    for command in ("delete", "rotate"):
        refused = accounts(shared, command, ident)
        assert refused.returncode == 1
        assert f"zonemint accounts deactivate {ident}" in refused.stderr
    account = registered(shared, f"kind.{DOMAIN}")
    wrong = accounts(shared, "deactivate", account["username"])
    assert wrong.returncode == 1
    assert "zonemint accounts delete" in wrong.stderr
