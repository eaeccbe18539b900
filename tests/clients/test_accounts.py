from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from zonemint.clients.accounts import Account, Registered, read_roots, save
from zonemint.clients.kinds import KINDS
from zonemint.core.errors import ConfigError

ACCOUNT = Account("user", "pass", "sub.auth.lab.test", "sub", ("10.0.0.0/8",), "https://auth.lab.test")
PLAIN = {
    "username": "user",
    "password": "pass",
    "fulldomain": "sub.auth.lab.test",
    "subdomain": "sub",
    "allowfrom": ["10.0.0.0/8"],
    "server_url": "https://auth.lab.test",
}


def test_json_is_the_map_that_clients_read() -> None:
    directory, storage = "https://ca.lab.test/acme/acme/directory", Path("/acmedns.json")
    accounts = {"lab.test": ACCOUNT, "web.lab.test": ACCOUNT}
    registered = Registered(("*.lab.test", "web.lab.test"), accounts, directory, storage)
    assert json.loads(KINDS["json"](registered)) == {"lab.test": PLAIN, "web.lab.test": PLAIN}


def test_an_account_is_saved_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "acmedns.json"
    file.write_text('{"other.test": {"username": "u"}}')
    save(file, {"lab.test": ACCOUNT})
    assert json.loads(file.read_text()) == {"other.test": {"username": "u"}, "lab.test": PLAIN}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_is_something_else_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "acmedns.json"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"acmedns.json: not JSON"):
        save(file, {"lab.test": ACCOUNT})
    assert file.read_text() == "mine"


def test_roots_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"root.crt: the roots to trust cannot be read: No such file"):
        read_roots(tmp_path / "root.crt")


def test_roots_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "root.crt"
    file.write_bytes(b"\x30\x82\xff")
    with pytest.raises(ConfigError, match=r"root.crt: the roots to trust are not PEM"):
        read_roots(file)
