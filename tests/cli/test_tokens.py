from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.cli.program import run


def listed(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("tokens", "list", "--json", "--data", folder).stdout)
    return rows


def test_a_token_is_printed_once_listed_without_its_secret_and_revoked(folder: Path) -> None:
    assert listed(folder) == []
    words = ["--right", "storage", "--right", "register", "--name", "*.Lab.test"]
    done = run("tokens", "create", *words, "--data", folder)
    made = re.fullmatch(r"zonemint_([0-9a-z]{26})_([A-Za-z0-9_-]{43})\n", done.stdout)
    assert made is not None, done
    (row,) = listed(folder)
    assert (row["id"], row["rights"], row["names"], row["last_used"]) == (
        made[1],
        ["register", "storage"],
        ["*.lab.test"],
        None,
    )
    for file in folder.glob("zonemint.db*"):
        assert made[2].encode() not in file.read_bytes()
    assert run("tokens", "revoke", made[1], "--data", folder).returncode == 0
    assert listed(folder) == []
    gone = run("tokens", "revoke", made[1], "--data", folder)
    assert (gone.returncode, gone.stdout) == (1, "")
    events = json.loads(run("audit", "list", "--subject", made[1], "--json", "--data", folder).stdout)
    assert [one["event"] for one in events] == ["token.revoked", "token.created"]


def test_a_right_is_named_and_storage_says_for_which_names_and_admin_has_none(folder: Path) -> None:
    for words in ([], ["--right", "root"], ["--right", "storage"], ["--right", "admin", "--name", "a.lab.test"]):
        assert run("tokens", "create", *words, "--data", folder).returncode == 2
    wrong = run("tokens", "create", "--right", "storage", "--name", "a_b", "--data", folder)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert listed(folder) == []
