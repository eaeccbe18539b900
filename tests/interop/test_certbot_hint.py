"""Our hook where nobody made the CNAME: an acme-dns server by itself, and a zone kept by hand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.interop.programs import run_program
from tests.server import DOMAIN, HOST, Running, until

pytestmark = pytest.mark.interop

HOOK = str(Path(sys.executable).with_name("zonemint-certbot-hook"))


@pytest.fixture
def env(shared: Running, tmp_path: Path) -> dict[str, str]:
    """What certbot and its user set."""
    return {
        "CERTBOT_VALIDATION": "v" * 43,
        "ACMEDNS_URL": shared.url,
        "ACMEDNS_STORAGE": str(tmp_path / "accounts.json"),
        "ACMEDNS_RESOLVER": f"{HOST}:{shared.ports.dns}",
        "ACMEDNS_CA": str(shared.root),
    }


def test_the_hint_is_there_until_the_record_is(shared: Running, env: dict[str, str]) -> None:
    name = f"by-hand.{DOMAIN}"
    first = run_program([HOOK], {**env, "CERTBOT_DOMAIN": name})
    line = re.search(rf"^_acme-challenge\.{re.escape(name)}\. IN CNAME (\S+)\.$", first, re.MULTILINE)
    assert line is not None
    assert f"_acme-challenge.{name} is no CNAME yet" in first
    account = json.loads(Path(env["ACMEDNS_STORAGE"]).read_text())[name]
    assert line[1] == account["fulldomain"]
    assert shared.answers(account["fulldomain"], "TXT") == ['"' + "v" * 43 + '"']
    file = shared.folder / f"zones/{DOMAIN}.zone"
    before = file.read_text()
    file.write_text(f"{before}{line[0]}\n")
    try:
        until(lambda: bool(shared.answers(f"_acme-challenge.{name}", "CNAME")), "the record of the hint")
        again = run_program([HOOK], {**env, "CERTBOT_DOMAIN": f"*.{name}", "CERTBOT_VALIDATION": "w" * 43})
    finally:
        file.write_text(before)
    assert again == ""
    assert json.loads(Path(env["ACMEDNS_STORAGE"]).read_text())[name] == account
    assert len(shared.answers(account["fulldomain"], "TXT")) == 2


def test_no_hint_for_a_name_that_register_prepared(shared: Running, env: dict[str, str]) -> None:
    assert shared.register("prepared").returncode == 0
    storage = str(shared.folder / "acmedns.json")
    said = run_program([HOOK], {**env, "ACMEDNS_STORAGE": storage, "CERTBOT_DOMAIN": f"prepared.{DOMAIN}"})
    assert said == ""


def test_a_cname_to_an_older_account_is_told(shared: Running, env: dict[str, str]) -> None:
    name = f"moved.{DOMAIN}"
    assert shared.register(name).returncode == 0
    said = run_program([HOOK], {**env, "CERTBOT_DOMAIN": name})
    old = json.loads((shared.folder / "acmedns.json").read_text())[name]["fulldomain"]
    new = json.loads(Path(env["ACMEDNS_STORAGE"]).read_text())[name]["fulldomain"]
    assert f"_acme-challenge.{name} leads to {old}" in said
    assert f"_acme-challenge.{name}. IN CNAME {new}." in said


def test_a_server_that_is_not_trusted_is_one_line(env: dict[str, str]) -> None:
    words = {**env, "CERTBOT_DOMAIN": f"untrusted.{DOMAIN}"}
    del words["ACMEDNS_CA"]
    said = run_program([HOOK], words, status=1)
    assert said.count("\n") == 1
    assert "is not trusted" in said
    assert "ACMEDNS_CA" in said
