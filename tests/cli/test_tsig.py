from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path

import pytest

from tests.cli.program import run


def tsig(folder: Path, *words: str) -> tuple[int, str, str]:
    done = run("tsig", *words, "--data", folder)
    return done.returncode, done.stdout, done.stderr


def test_a_key_is_shown_once_and_then_without_its_secret(folder: Path) -> None:
    status, out, err = tsig(folder, "create", "Acme.", "--allow", "_ACME-challenge.*", "--types", "txt", "--json")
    assert (status, err) == (0, "")
    made = json.loads(out)
    assert len(b64decode(made["secret"])) == 32
    assert (made["name"], made["algorithm"], made["types"]) == ("acme", "hmac-sha256", ["TXT"])
    status, out, _ = tsig(folder, "list")
    assert status == 0
    assert re.search(r"acme +hmac-sha256 +valid +_acme-challenge\.\* +TXT ", out)
    assert made["secret"] not in out
    status, out, _ = tsig(folder, "show", "ACME", "--json")
    assert status == 0
    assert json.loads(out) == {name: value for name, value in made.items() if name != "secret"}


def test_a_name_is_taken_until_its_key_is_revoked(folder: Path) -> None:
    assert tsig(folder, "create", "second", "--transfer")[0] == 0
    status, out, err = tsig(folder, "create", "second", "--transfer")
    assert (status, out) == (1, "")
    assert err == "zonemint: there is a key 'second' already; `zonemint tsig revoke second` ends it\n"
    for _ in range(2):
        assert tsig(folder, "revoke", "SECOND.") == (0, "", "revoked second\n")
    assert json.loads(tsig(folder, "show", "second", "--json")[1])["status"] == "revoked"
    assert tsig(folder, "create", "second", "--allow", "*", "--zone", "lab.test")[0] == 0
    again = json.loads(tsig(folder, "show", "second", "--json")[1])
    assert (again["status"], again["transfer"], again["zones"]) == ("valid", False, ["lab.test"])
    events = json.loads(run("audit", "list", "--json", "--data", folder).stdout)
    told = [one["event"] for one in events if one["subject"] == "second"]
    assert sorted(told) == ["tsig-key.created", "tsig-key.created", "tsig-key.revoked"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["x"], 2, "say what it may change"),
        (["x", "--for", "external-dns"], 2, "say what it may change"),
        (["x", "--for", "vim"], 2, "it is one of nsupdate, certbot"),
        (["x", "--allow", "*.a.*"], 2, "more than one *"),
        (["x..y", "--allow", "*"], 2, "is not a domain name"),
        (["x", "--allow", "*", "--algorithm", "rot13"], 1, "'rot13' is no algorithm; there is hmac-md5, hmac-sha1"),
        (["x", "--allow", "*", "--algorithm", "hmac-md5"], 1, "dns.tsig_md5"),
        (["x", "--allow", "*", "--types", "TXT,NONSENSE"], 1, "'NONSENSE' is not a record type"),
        (["x", "--allow", "*", "--zone", "other.test"], 1, "there is no zone 'other.test' here"),
    ],
)
def test_what_is_no_key(folder: Path, words: list[str], status: int, said: str) -> None:
    done = tsig(folder, "create", *words)
    assert done[0] == status
    assert said in " ".join(done[2].replace("│", " ").split())


def test_a_secret_that_another_server_made_is_taken_in_and_not_repeated(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("c2VjcmV0IG9mIGFub3RoZXIgc2VydmVy\n")
    status, out, err = tsig(folder, "create", "from-bind", "--secret-file", str(file))
    assert (status, out) == (1, "")
    assert "chmod 600" in err
    file.chmod(0o600)
    status, out, err = tsig(folder, "create", "from-bind", "--secret-file", str(file))
    assert (status, err) == (0, "")
    assert "c2VjcmV0" not in out
    for content, said in (("not base64!\n", "not in base64"), ("c2hvcnQ=\n", "5 octets")):
        file.write_text(content)
        status, _, err = tsig(folder, "create", "other", "--secret-file", str(file))
        assert status == 1
        assert said in err


def test_who_is_not_there(folder: Path) -> None:
    for word in ("show", "revoke"):
        said = "zonemint: there is no key 'nobody'; `zonemint tsig list` shows them\n"
        assert tsig(folder, word, "nobody") == (1, "", said)


@pytest.mark.parametrize(
    ("program", "lines", "allowed", "transfer"),
    [
        ("certbot", ["dns_rfc2136_name = for-certbot.", "dns_rfc2136_algorithm = HMAC-SHA256"], True, False),
        ("lego", ["export RFC2136_TSIG_KEY=for-lego", "export RFC2136_TSIG_ALGORITHM=hmac-sha256."], True, False),
        ("cert-manager", ["      tsigKeyName: for-cert-manager", "      tsigAlgorithm: HMACSHA256"], True, False),
        ("knot", ["    master: zonemint", "  - domain: lab.test"], False, True),
        ("nsd", ['    name: "for-nsd"', '    name: "lab.test"'], False, True),
        ("named", ['key "for-named" {', 'zone "lab.test" {'], False, True),
    ],
)
def test_a_program_is_told_all_that_it_needs(
    folder: Path, program: str, lines: list[str], allowed: bool, transfer: bool
) -> None:
    name = f"for-{program}"
    status, out, err = tsig(folder, "create", name, "--for", program)
    assert (status, err) == (0, "the secret is not shown again\n")
    assert set(lines) <= set(out.splitlines())
    shown = json.loads(tsig(folder, "show", name, "--json")[1])
    assert (shown["allow"] == ["_acme-challenge.*"], shown["transfer"]) == (allowed, transfer)
