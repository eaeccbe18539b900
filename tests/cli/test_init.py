from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.server import running
from zonemint.cli.init import initialise
from zonemint.config import Config, DataDir
from zonemint.core.errors import ConfigError, KeyFileError

NOW = 1_800_000_000.0


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder, with its bytes and when they were written."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_an_empty_folder_becomes_an_authority(tmp_path: Path) -> None:
    folder = tmp_path / "new/data"
    done = run("init", "--domain", "Lab.test", "--domain", "x.test", "--name", "Lab", "--data", folder)
    assert done.returncode == 0, done.stderr
    assert contents(folder).keys() == {
        "zonemint.toml",
        "zones/lab.test.zone",
        "zones/x.test.zone",
        "pki/root.crt",
        "pki/root.key",
        "pki/intermediate.crt",
        "pki/intermediate.key",
    }
    facts = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert facts["data"].strip() == str(folder)
    assert facts["domains"].strip() == "lab.test, x.test"
    assert len(bytes.fromhex(facts["root sha256"])) == 32
    assert done.stderr == f"next: zonemint up --data {folder}\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_init_changes_nothing(tmp_path: Path) -> None:
    first = run("init", "--domain", "lab.test", "--data", tmp_path)
    before = contents(tmp_path)
    for words in (["--domain", "LAB.test."], ["--domain", "lab.test", "--name", "other"], []):
        again = run("init", *words, "--data", tmp_path)
        assert (again.returncode, again.stdout) == (0, first.stdout)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("domains", [["other.test"], ["lab.test", "other.test"], ["x.test", "lab.test"]])
def test_another_domain_is_refused(tmp_path: Path, domains: list[str]) -> None:
    run("init", "--domain", "lab.test", "--domain", "x.test", "--data", tmp_path)
    before = contents(tmp_path)
    done = run("init", *[word for domain in domains for word in ("--domain", domain)], "--data", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"zonemint: {tmp_path}/zonemint.toml: this folder is for lab.test, x.test, not for {', '.join(domains)}; "
        "choose another folder with --data\n"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--domain", "a b"], "domain: 'a b' is not a domain name"),
        (["--domain", "lab.test", "--domain", "lab.test"], "extra_domains: a domain is named twice"),
        (["--domain", "lab.test", "--name", "x" * 49], "name: it must have at most 48 characters"),
        ([], "there is no such file; `zonemint init --domain DOMAIN --data "),
    ],
)
def test_what_cannot_be_leaves_no_folder(tmp_path: Path, words: list[str], says: str) -> None:
    done = run("init", *words, "--data", tmp_path / "data")
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("init", "--domain", "lab.test", "--data", tmp_path / "file/data")
    assert done.returncode == 1
    assert done.stderr == f"zonemint: {tmp_path}/file/data: Not a directory\n"


def test_settings_written_by_hand_are_kept(tmp_path: Path) -> None:
    text = 'domain = "lab.test" # mine\n[dns]\nttl = "10s"\n'
    (tmp_path / "zonemint.toml").write_text(text)
    config, _ = initialise(DataDir(tmp_path), None, now=NOW)
    assert str(config.dns.ttl) == "10s"
    assert (tmp_path / "zonemint.toml").read_text() == text
    assert "$TTL 10\n" in (tmp_path / "zones/lab.test.zone").read_text()


@pytest.mark.parametrize("kept", [1, 2])
def test_a_folder_left_half_way_is_completed(tmp_path: Path, kept: int) -> None:
    whole, half = DataDir(tmp_path / "whole"), DataDir(tmp_path / "half")
    initialise(whole, Config("lab.test"), now=NOW)
    half.path.mkdir()
    half.config.write_bytes(whole.config.read_bytes())
    if kept == 2:
        half.zones.mkdir()
    _, authority = initialise(half, Config("lab.test"), now=NOW)
    assert authority is not None
    assert authority.current.domains == ("lab.test", "localhost")
    assert contents(half.path).keys() == contents(whole.path).keys()


def test_a_zone_file_of_the_user_is_never_touched(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.zones.mkdir()
    data.zone_file("lab.test").write_text("; mine\n")
    initialise(data, Config("lab.test"), now=NOW)
    assert data.zone_file("lab.test").read_text() == "; mine\n"
    data.zone_file("lab.test").unlink()
    initialise(data, Config("lab.test"), now=NOW)
    assert not data.zone_file("lab.test").exists()


def test_a_broken_authority_is_not_replaced(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    initialise(data, Config("lab.test"), now=NOW)
    (data.pki / "intermediate.key").unlink()
    before = contents(tmp_path)
    with pytest.raises(KeyFileError, match=r"intermediate\.key"):
        initialise(data, Config("lab.test"), now=NOW)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("lost", ["*", "*.key", "[ri]*"])
def test_keys_that_signed_and_are_lost_are_not_made_anew(tmp_path: Path, lost: str) -> None:
    data = DataDir(tmp_path / "data")
    with running(data.path):
        pass
    for file in data.pki.glob(lost):
        file.unlink()
    before = contents(data.pki)
    with pytest.raises(ConfigError, match="restore"):
        initialise(data, None, now=NOW)
    assert contents(data.pki) == before


def test_a_store_without_certificates_does_not_keep_an_authority_from_being_made(tmp_path: Path) -> None:
    (tmp_path / "zonemint.toml").write_text('domain = "lab.test"\n')
    assert run("orders", "list", "--data", tmp_path).returncode == 0
    assert DataDir(tmp_path).database.exists()
    initialise(DataDir(tmp_path), None, now=NOW)


def test_a_broken_config_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "zonemint.toml").write_text("x")
    with pytest.raises(ConfigError, match=r"zonemint.toml:1: not TOML"):
        initialise(DataDir(tmp_path), Config("lab.test"), now=NOW)
    assert contents(tmp_path).keys() == {"zonemint.toml"}
