"""`zonemint import corefile`, into a new folder and into one that is there."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.program import run
from tests.server import DOMAIN, running

COREFILE = """\
lab.test {
    file db.lab.test
}
more.example {
    file db.more.example
}
. {
    forward . 192.0.2.53
    hosts {
        192.0.2.77 printer.lab.test
        fallthrough
    }
    prometheus
}
"""


def written(folder: Path, text: str = COREFILE) -> Path:
    (folder / "db.lab.test").write_text("www 300 A 192.0.2.10\n")
    (folder / "db.more.example").write_text("www 300 A 192.0.2.20\n")
    (folder / "Corefile").write_text(text)
    return folder / "Corefile"


def test_a_new_folder_answers_as_coredns_did(tmp_path: Path) -> None:
    data = tmp_path / "data"
    source = written(tmp_path)
    done = run("import", "corefile", source, "--domain", DOMAIN, "--data", data)
    assert done.returncode == 0, done.stderr
    assert "[forward]" in done.stdout
    with running(data) as server:
        assert server.answers("www.lab.test", "A") == ["192.0.2.10"]
        assert server.answers("www.more.example", "A") == ["192.0.2.20"]
        assert server.answers("printer.lab.test", "A") == ["192.0.2.77"]
        assert b"coredns_dns_requests_total" in server.fetch("/metrics")
        shown = json.loads(run("config", "show", "--json", "--data", data).stdout)
    assert shown["forward"]["servers"] == ["192.0.2.53"]


def test_a_folder_that_is_there_gets_more_settings_and_loses_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("init", "--domain", DOMAIN, "--data", data).returncode == 0
    settings = data / "zonemint.toml"
    before = settings.read_text().replace("# ttl = ", "ttl = ", 1)
    settings.write_text(before)
    source = written(tmp_path)
    done = run("import", "corefile", source, "--data", data)
    assert done.returncode == 0, done.stderr
    after = settings.read_text()
    assert all(line in after.splitlines() for line in before.splitlines())
    assert run("config", "check", "--data", data).returncode == 0
    # The same again finds everything as it is.
    done = run("import", "corefile", source, "--data", data)
    assert done.returncode == 0, done.stderr
    # Another file for the same zone is not written over the first.
    (tmp_path / "db.lab.test").write_text("www 300 A 192.0.2.11\n")
    done = run("import", "corefile", source, "--data", data)
    assert done.returncode == 1
    assert "lab.test.zone" in done.stderr
    assert settings.read_text() == after


def test_what_would_change_answers_stops_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    source = written(tmp_path, COREFILE + "x.test {\n    rewrite name a b\n}\n")
    done = run("import", "corefile", source, "--domain", DOMAIN, "--data", data)
    assert done.returncode == 1
    assert f"{source}:16: rewrite name a b: questions are not rewritten" in done.stderr
    assert not data.exists()
    words = ("import", "corefile", source, "--domain", DOMAIN, "--data", data)
    told = json.loads(run(*words, "--json", "--dry-run").stdout)
    assert [one["what"].rpartition(": ")[2] for one in told["refused"]] == ["rewrite name a b"]
    done = run(*words, "--anyway")
    assert done.returncode == 0, done.stderr


def test_a_settings_that_differs_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "zonemint.toml").write_text(f'domain = "{DOMAIN}"\n[forward]\nservers = ["192.0.2.99"]\n')
    done = run("import", "corefile", written(tmp_path), "--data", data)
    assert done.returncode == 1
    assert "forward.servers is set already" in done.stderr
