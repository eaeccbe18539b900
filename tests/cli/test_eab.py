from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from tests.cli.program import run


def eab(folder: Path, *words: str) -> tuple[int, str, str]:
    done = run("eab", *words, "--data", folder)
    return done.returncode, done.stdout, done.stderr


def test_a_key_is_shown_once_with_what_clients_take(folder: Path) -> None:
    status, out, err = eab(folder, "create", "--name", "web team", "--names", "*.LAB.test", "--uses", "3")
    assert status == 0, err
    facts = dict(re.split(r":\s+", line, maxsplit=1) for line in out.splitlines())
    assert len(urlsafe_b64decode(facts["hmac key"] + "==")) == 64
    assert facts["directory"] == "https://ca.lab.test/acme/acme/directory"
    assert f"--eab-kid {facts['kid']} --eab-hmac-key HMAC_KEY" in err
    assert facts["hmac key"] not in err
    status, out, err = eab(folder, "list")
    assert status == 0
    assert facts["hmac key"] not in out
    assert re.search(rf"{facts['kid']} +web team +acme +valid +0 of 3 +\*\.lab\.test ", out)


def test_json_for_programs(folder: Path) -> None:
    status, out, err = eab(folder, "create", "--json", "--expires", "24h")
    assert (status, err) == (0, "")
    made = json.loads(out)
    assert set(made) == {"kid", "hmac_key", "directory"}
    (listed,) = json.loads(eab(folder, "list", "--json")[1])
    assert (listed["kid"], listed["status"], listed["used"]) == (made["kid"], "valid", "0 of 1")
    assert listed["expires"] is not None
    assert made["hmac_key"] not in json.dumps(listed)


def test_a_revoked_key_stays_in_the_list(folder: Path) -> None:
    kid = json.loads(eab(folder, "create", "--json")[1])["kid"]
    assert eab(folder, "revoke", kid) == (0, "", f"revoked {kid}\n")
    assert eab(folder, "revoke", kid, "--with-accounts")[2] == f"revoked {kid}\nended 0 of its accounts\n"
    assert json.loads(eab(folder, "list", "--json")[1])[0]["status"] == "revoked"
    status, out, err = eab(folder, "revoke", "nobody")
    assert (status, out) == (1, "")
    assert err == "zonemint: there is no key 'nobody'; `zonemint eab list` shows them\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--provisioner", "x"], 1, "there is no provisioner 'x' in the settings: it is one of acme"),
        (["--names", "a_b"], 2, "not a host name"),
        (["--names", "10.0.0.1/8"], 2, "host bits"),
        (["--expires", "soon"], 2, "a length of time"),
        (["--uses", "-1"], 2, "--uses"),
        (["--name", "a\tb"], 2, "printable"),
    ],
)
def test_a_wrong_word_makes_no_key(folder: Path, words: list[str], status: int, said: str) -> None:
    found, out, err = eab(folder, "create", *words)
    assert (found, out) == (status, "")
    assert said in " ".join(err.split())
    assert json.loads(eab(folder, "list", "--json")[1]) == []
