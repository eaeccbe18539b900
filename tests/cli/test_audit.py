from __future__ import annotations

import getpass
import json
import os
import pwd
import re
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.app.client import Client
from tests.cli.program import ENV, ZONEMINT, run
from tests.core.test_hash_chain import verify_with_nothing_of_ours
from tests.docs.pages import ROOT
from tests.programs import require_program
from tests.server import DOMAIN, running
from zonemint.core.hash_chain import GENESIS, encode, entries, sealed
from zonemint.store.audit import Kind

ME = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
NAME = f"audited.{DOMAIN}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose server has issued and was told to revoke; it runs no more."""
    folder = tmp_path_factory.mktemp("audit") / "data"
    with running(folder) as server:
        assert server.register(NAME).returncode == 0
        with closing(Client(server)) as client:
            leaf = client.issue(NAME)
        done = run("certs", "revoke", f"{leaf.serial_number:x}", "--reason", "keyCompromise", "--data", folder)
        assert done.returncode == 0
        # With the server beside it, whose store it shares.
        assert run("audit", "verify", "--data", folder).returncode == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy to do anything with."""
    return shutil.copytree(finished, tmp_path / "data")


def audit(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return run("audit", *words, "--data", folder)


def rows(folder: Path, *words: str) -> list[dict[str, Any]]:
    done = audit(folder, "list", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def facts(folder: Path, *words: str | Path) -> dict[str, Any]:
    done = audit(folder, "verify", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """One line that says what is wrong, and nothing else."""
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("zonemint: ")
    return line


@pytest.fixture
def exported(folder: Path, tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "audit.jsonl"
    done = audit(folder, "export", file)
    assert (done.returncode, done.stdout) == (0, "")
    count, head = verify_with_nothing_of_ours(file.read_bytes())
    assert done.stderr == f"{count} entries; the head is {count}:{head}\n"
    yield file
    assert not list(tmp_path.glob(".*")), "no half-written file is left"


def tampered(folder: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(folder / "zonemint.db", isolation_level=None)) as other:
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert other.execute(statement).rowcount > 0
    return folder


def test_the_list_tells_who_did_what(folder: Path) -> None:
    found = rows(folder)
    assert [one["sequence"] for one in found] == list(range(len(found), 0, -1))
    assert [(one["event"], one["actor"]) for one in reversed(found)][2:] == [
        ("txt-account.registered", ME),
        ("record.added", ME),
        ("account.created", found[-5]["actor"]),
        ("certificate.issued", found[-5]["actor"]),
        ("certificate.revoked", ME),
        ("key.blocked", ME),
    ]
    (issued,) = rows(folder, "--event", "certificate.issued", "--limit", "1")
    assert issued["detail"]["names"] == [NAME]
    about = rows(folder, "--subject", issued["subject"])
    assert [one["event"] for one in about] == ["certificate.revoked", "certificate.issued"]
    assert about[0]["detail"] == {"names": [NAME], "reason": 1, "via": "zonemint certs"}
    head, *lines = audit(folder, "list", "--limit", "3").stdout.splitlines()
    assert head.split() == ["SEQUENCE", "AT", "EVENT", "ACTOR", "SUBJECT"]
    assert len(lines) == 3
    assert lines[1].split()[2:4] == ["certificate.revoked", ME]


def test_who_runs_a_command_is_what_the_system_says(folder: Path) -> None:
    env = {**ENV, "LOGNAME": "somebody", "USER": "somebody"}
    done = run("zone", "add", DOMAIN, "a", "60", "A", "192.0.2.1", "--data", folder, env=env)
    assert done.returncode == 0
    assert getpass.getuser() != "somebody"
    assert rows(folder, "--limit", "1")[0]["actor"] == ME


def test_records_that_are_added_changed_and_removed(folder: Path) -> None:
    before = len(rows(folder))
    for ttl in ("60", "90", "90"):
        assert run("zone", "add", DOMAIN, "a", ttl, "A", "192.0.2.1", "--data", folder).returncode == 0
    assert run("zone", "add", DOMAIN, "www", "60", "CNAME", f"no.such.{DOMAIN}.", "--data", folder).returncode == 0
    assert run("zone", "add", DOMAIN, "www", "60", "A", "192.0.2.1", "--data", folder).returncode == 1
    assert run("zone", "remove", DOMAIN, "a", "A", "--data", folder).returncode == 0
    found = list(reversed(rows(folder)))[before:]
    assert {one["actor"] for one in found} == {ME}
    assert [(one["event"], one["subject"], one["detail"]["ttl"]) for one in found] == [
        ("record.added", f"a.{DOMAIN}", 60),
        ("record.removed", f"a.{DOMAIN}", 60),
        ("record.added", f"a.{DOMAIN}", 90),
        ("record.added", f"www.{DOMAIN}", 60),
        ("record.removed", f"a.{DOMAIN}", 90),
    ]
    assert found[0]["detail"] == {"data": "192.0.2.1", "ttl": 60, "type": "A", "zone": DOMAIN}
    facts(folder)


def test_a_name_that_is_registered_again_adds_nothing(folder: Path) -> None:
    before = rows(folder)
    assert run("register", NAME, "--data", folder).returncode == 0
    assert rows(folder) == before
    assert run("register", "elsewhere.example.", "--data", folder).returncode == 1
    added = rows(folder)[: -len(before)]
    assert [one["event"] for one in added] == ["txt-account.registered"]
    accounts = json.loads((folder / "acmedns.json").read_text())
    assert accounts["elsewhere.example"]["password"] not in json.dumps(rows(folder))


def test_verify_says_what_holds(folder: Path) -> None:
    newest = rows(folder)[0]
    found = facts(folder)
    assert found == {
        "entries": newest["sequence"],
        "first": f"1 of {rows(folder)[-1]['at']}",
        "last": f"{newest['sequence']} of {newest['at']}",
        "head": f"{newest['sequence']}:{newest['hash']}",
    }
    assert audit(folder, "verify").stdout.splitlines()[-1] == f"head:     {found['head']}"
    assert facts(folder, "--head", found["head"].upper()) == found
    assert facts(folder, "--head", f"0:{GENESIS}") == found


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET actor = 'cli:nobody' WHERE sequence = 4", "entry 4 of the audit log was changed"),
        ("DELETE FROM audit WHERE sequence = 4", "entry 4 of the audit log is missing: entry 5 stands in its place"),
        ("UPDATE audit SET detail = 'x' WHERE sequence = 4", "entry 4 of the audit log was changed"),
        ("DELETE FROM audit", "2 of the certificates have no entry 'certificate.issued' in the audit log"),
        ("UPDATE certificates SET status = 'revoked', revoked_at = 3000000000", "have no entry 'certificate.revoked'"),
    ],
)
def test_verify_says_what_was_tampered_with(folder: Path, statement: str, says: str) -> None:
    # The server's own certificate is of the second in which the log began.
    tampered(folder, "UPDATE certificates SET created_at = created_at + 1", statement)
    assert says in refused(audit(folder, "verify"))


def test_a_tail_that_was_cut_off_shows_beside_the_head_that_was_noted(folder: Path) -> None:
    head = facts(folder)["head"]
    number = int(head.partition(":")[0])
    tampered(folder, f"DELETE FROM audit WHERE sequence >= {number}")
    facts(folder)
    assert f"entry {number} of the audit log is missing" in refused(audit(folder, "verify", "--head", head))


def test_an_export_stands_for_itself(exported: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    # No data folder is asked for.
    done = run("audit", "verify", "--file", exported, "--json", "--data", tmp_path / "nothing")
    assert (done.returncode, done.stderr) == (0, "")
    count, head = verify_with_nothing_of_ours(exported.read_bytes())
    assert json.loads(done.stdout)["head"] == f"{count}:{head}"
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    assert "entry 4 of the audit log is missing" in refused(run("audit", "verify", "--file", exported))
    exported.write_bytes(b"".join([*lines[:3], lines[3][:-20]]))
    assert "line 4: it is no entry of the audit log" in refused(run("audit", "verify", "--file", exported))
    exported.write_bytes(lines[0] + b"x" * (5 << 20))
    assert "line 2: it has more than" in refused(run("audit", "verify", "--file", exported))
    exported.write_bytes(b"".join(lines[:-1]))
    done = run("audit", "verify", "--file", exported, "--head", f"{count}:{head}")
    assert f"entry {count} of the audit log is missing" in refused(done)
    lines[3] = encode(sealed(next(entries([lines[3].replace(b"cli:", b"cli!")])))) + b"\n"
    exported.write_bytes(b"".join(lines))
    assert "entry 5 of the audit log does not follow" in refused(run("audit", "verify", "--file", exported))


def test_a_part_goes_on_where_the_last_export_ended(folder: Path, exported: Path) -> None:
    lines = exported.read_text().splitlines(keepends=True)
    done = audit(folder, "export", "--from", "4")
    assert (done.returncode, done.stdout) == (0, "".join(lines[3:]))
    assert audit(folder, "export", "-", "--from", "99").stdout == ""
    exported.write_text(done.stdout)
    before = json.loads(lines[2])
    known = ["--head", f"3:{before['hash']}"]
    assert run("audit", "verify", "--file", exported, *known).stdout.startswith(f"entries:  {len(lines) - 3}\n")
    known = ["--head", f"3:{before['previous']}"]
    assert "entry 3 of the audit log is not the one" in refused(run("audit", "verify", "--file", exported, *known))


def test_a_log_that_is_broken_replaces_no_export(folder: Path, exported: Path) -> None:
    before = exported.read_bytes()
    tampered(folder, "DELETE FROM audit WHERE sequence = 4")
    assert "entry 4 " in refused(audit(folder, "export", exported))
    assert exported.read_bytes() == before


def test_jq_and_sha256sum_agree(exported: Path) -> None:
    jq, sha256sum = require_program("jq"), require_program("sha256sum")
    for line in exported.read_bytes().splitlines():
        canonical = subprocess.run([jq, "-cSj", "del(.hash)"], input=line, capture_output=True, check=True).stdout
        hashed = subprocess.run([sha256sum], input=canonical, capture_output=True, check=True, text=False).stdout
        assert hashed.split()[0].decode() == json.loads(line)["hash"]


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "--head", "7"],
        ["verify", "--file", "/no/such/file"],
        ["list", "--event", "nothing"],
        ["list", "--limit", "0"],
        ["export", "--from", "0"],
    ],
)
def test_wrong_usage(folder: Path, words: list[str]) -> None:
    done = audit(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[1] in done.stderr


def test_a_person_at_a_terminal_sees_how_far_it_is(folder: Path) -> None:
    ours, theirs = os.openpty()
    env = {**ENV, "TERM": "xterm"}
    words = [ZONEMINT, "audit", "verify", "--data", str(folder)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, env=env, text=True, timeout=30)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as screen:
        assert b"audit log" in screen.read(1 << 16)
    assert (done.returncode, done.stdout) == (0, audit(folder, "verify").stdout)


def test_the_page_names_every_event() -> None:
    page = (ROOT / "docs/how-to/keep-an-audit-log.md").read_text()
    assert set(re.findall(r"`([a-z-]+\.[a-z]+)`", page)) == set(Kind)


def test_a_device_is_written_to_and_not_replaced(folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert audit(folder, "export", pipe).returncode == 0
        assert reader.communicate(timeout=30)[0].decode() == audit(folder, "export").stdout
    assert pipe.is_fifo()


def test_a_folder_for_the_export_that_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    assert "missing" in refused(audit(folder, "export", tmp_path / "missing" / "audit.jsonl"))


def test_a_store_that_has_seen_no_server_has_an_empty_log(initialised: Path, tmp_path: Path) -> None:
    fresh = shutil.copytree(initialised, tmp_path / "fresh")
    assert facts(fresh) == {"entries": 0, "first": None, "last": None, "head": f"0:{GENESIS}"}
    assert rows(fresh) == []
