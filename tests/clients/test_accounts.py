from __future__ import annotations

import json
import shlex
import stat
from pathlib import Path

import pytest

from zonemint.clients.accounts import Account, Registered, save
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
DIRECTORY = "https://ca.lab.test/acme/acme/directory"


def registered(name: str, storage: str = "/etc/letsencrypt/acmedns.json", roots: Path | None = None) -> Registered:
    return Registered(name, ACCOUNT, DIRECTORY, Path(storage), roots)


def test_json_is_the_map_that_clients_read() -> None:
    assert json.loads(KINDS["json"](registered("*.lab.test"))) == {"lab.test": PLAIN}


def test_certbot_gets_the_command_line_of_its_manual() -> None:
    assert KINDS["certbot"](registered("server-1.lab.test")) == (
        "certbot certonly --manual --manual-auth-hook zonemint-certbot-hook --preferred-challenges dns "
        f"--debug-challenges -d server-1.lab.test --server {DIRECTORY}"
    )


def test_what_is_unusual_is_said_to_certbot_and_survives_a_shell() -> None:
    words = shlex.split(KINDS["certbot"](registered("*.lab.test", "/my lab/acmedns.json", Path("/my lab/root.crt"))))
    assert words[:4] == [
        "env",
        "ACMEDNS_STORAGE=/my lab/acmedns.json",
        "REQUESTS_CA_BUNDLE=/my lab/root.crt",
        "certbot",
    ]
    assert words[words.index("-d") + 1] == "*.lab.test"


def test_an_account_is_saved_beside_the_others(tmp_path: Path) -> None:
    file = tmp_path / "acmedns.json"
    file.write_text('{"other.test": {"username": "u"}}')
    save(file, "lab.test", ACCOUNT)
    assert json.loads(file.read_text()) == {"other.test": {"username": "u"}, "lab.test": PLAIN}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_is_something_else_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "acmedns.json"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"acmedns.json: not JSON"):
        save(file, "lab.test", ACCOUNT)
    assert file.read_text() == "mine"
