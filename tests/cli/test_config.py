from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.program import ENV, run


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('domain = "lab.test"\n\n[listen]\ndns_prt = 53\n', "4: listen.dns_prt: there is no such setting"),
        ('domain = "a b"\n', "1: domain: 'a b' is not a domain name"),
        ('domain = "lab.test"\n[listen\n', "2: not TOML: "),
    ],
)
def test_check_says_in_one_line_what_is_wrong_and_where(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text(text)
    done = run("config", "check", "--data", tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"zonemint: {file}:{place}")
    assert done.stderr.count("\n") == 1


def test_check_says_ok(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text('domain = "lab.test"')
    done = run("config", "check", env={**ENV, "ZONEMINT_DATA": str(tmp_path)})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: ok\n", "")


def test_check_of_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    done = run("config", "check", "--data", tmp_path)
    assert done.returncode == 1
    assert "there is no such file; `zonemint init --domain DOMAIN --data " in done.stderr


def test_show_prints_settings_that_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text('domain = "lab.test"\nname = "Lab \\"ä\\""\n[acme]\norder_lifetime = "120m"\n')
    text = run("config", "show", "--data", tmp_path).stdout
    shown = tomllib.loads(text)
    as_json = json.loads(run("config", "show", "--data", tmp_path, "--json").stdout)
    # TOML has no line for a group of tables without any, and none for what is not set.
    as_json = {key: value for key, value in as_json.items() if value != {}}
    for table in ("listen", "forward"):
        as_json[table] = {key: value for key, value in as_json[table].items() if value is not None}
    assert shown == as_json
    assert (shown["name"], shown["acme"]["order_lifetime"], shown["listen"]["dns_port"]) == ('Lab "ä"', "2h", 53)
    file.write_text(text)
    assert run("config", "show", "--data", tmp_path).stdout == text
