"""What keeps a server from starting is one line on stderr, with the place where there is one, and exit status 1."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.program import ENV
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Ports, running, words_of


def refused(folder: Path, *words: str, ports: Ports | None = None, before: Sequence[str] = ()) -> str:
    """Start a server that cannot run; return its one line, without `zonemint: ` and its end."""
    done = subprocess.run(
        [*before, *words_of(folder, ports or Ports.free()), *words], capture_output=True, text=True, env=ENV, timeout=30
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("zonemint: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("zonemint: ").rstrip("\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f'domain = "{DOMAIN}"\n\n[listen]\ndns_prot = 53\n',
            ":4: listen.dns_prot: there is no such setting; did you mean 'listen.dns_port'?",
        ),
        ('# mine\ndomain = "a b"\n', ":2: domain: 'a b' is not a domain name"),
        (f'domain = "{DOMAIN}"\n[validation\n', ":2: not TOML"),
        (f'domain = "{DOMAIN}"\n[dns]\nttl = 300\n', ":3: dns.ttl: "),
    ],
    ids=["unknown key", "bad domain", "not TOML", "bad value"],
)
def test_bad_settings(folder: Path, text: str, says: str) -> None:
    (folder / "zonemint.toml").write_text(text)
    assert f"{folder}/zonemint.toml{says}" in refused(folder)


@pytest.mark.parametrize("which", ["dns UDP", "dns TCP", "https", "http"])
def test_a_port_that_is_taken(folder: Path, which: str) -> None:
    ports = Ports.free()
    service, _, protocol = which.partition(" ")
    port: int = getattr(ports, service)
    protocol = protocol or "TCP"
    with socket.socket(type=socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM) as other:
        other.bind((HOST, port))
        if protocol == "TCP":
            other.listen()
        line = refused(folder, ports=ports)
    assert not (folder / "pki/server.crt").exists()
    assert f"port {port}" in line
    assert protocol in line
    assert f"--{service}-port" in line


def test_a_folder_that_another_server_serves(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as server:
        assert refused(folder) == f"{folder}: another zonemint serves this folder already"
        assert server.answers(f"ca.{DOMAIN}", "A") == [HOST]


@pytest.mark.parametrize("name", ["root.key", "intermediate.key"])
def test_a_key_that_is_open_to_others(folder: Path, name: str) -> None:
    file = folder / "pki" / name
    file.chmod(0o644)
    line = refused(folder)
    assert line.startswith(f"{file}: ")
    assert "chmod" in line


def test_a_key_that_is_broken(folder: Path) -> None:
    file = folder / "pki/intermediate.key"
    file.write_text("no key\n")
    assert refused(folder).startswith(f"{file}: ")


def unprivileged() -> list[str]:
    """A command that runs another one without any right of root, and where low ports are kept for root."""
    without = [require_program("setpriv"), "--bounding-set", "-all", "--inh-caps", "-all"]
    return [require_program("unshare"), "--map-root-user", "--net", *without]


def test_a_key_that_cannot_be_read(folder: Path) -> None:
    file = folder / "pki/intermediate.key"
    file.chmod(0)
    assert refused(folder, before=unprivileged()) == f"{file}: the key cannot be read: Permission denied"


@pytest.mark.parametrize(("service", "port"), [("dns", 53), ("https", 443), ("http", 80)])
def test_a_low_port_without_the_right_to_it(folder: Path, service: str, port: int) -> None:
    line = refused(folder, "--listen", "0.0.0.0", f"--{service}-port", str(port), before=unprivileged())
    assert f"port {port} " in line
    assert "low ports" in line
    assert f"--{service}-port" in line


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("www IN A 192.0.2.300", "192.0.2.300"),
        ("www IN NONSENSE x", "NONSENSE"),
        ("www.elsewhere.test. IN A 192.0.2.1", "www.elsewhere.test"),
        ("www IN CNAME other\nwww IN A 192.0.2.1", "CNAME"),
    ],
    ids=["bad address", "bad type", "another zone", "CNAME and other data"],
)
def test_a_zone_file_error(folder: Path, line: str, says: str) -> None:
    file = folder / f"zones/{DOMAIN}.zone"
    before = file.read_text()
    file.write_text(before + line + "\n")
    number = before.count("\n") + 1 + line.count("\n")
    told = refused(folder)
    assert told.startswith(f"{file}:{number}: ")
    assert says in told


def test_a_store_that_is_too_new(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "zonemint.db")) as db:
        db.execute("CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)")
        db.execute("INSERT INTO schema_versions VALUES (9999, 0)")
        db.commit()
    assert "schema 9999" in refused(folder)


def test_a_store_that_is_none(folder: Path) -> None:
    (folder / "zonemint.db").write_bytes(b"this is no database\n" * 100)
    assert "zonemint.db" in refused(folder)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--external-url", "https://ca.elsewhere.test"], "elsewhere.test"),
        (["--external-url", "ca.lab.test"], "external_url"),
        (["--domain", "elsewhere.test"], "elsewhere.test"),
        (["--listen", "nowhere"], "nowhere"),
    ],
)
def test_options_that_cannot_be(folder: Path, words: list[str], says: str) -> None:
    assert says in refused(folder, *words)


def test_a_domain_that_the_intermediate_may_not_sign_for(folder: Path) -> None:
    (folder / "pki/root.key").unlink()  # with it, the intermediate is made anew
    (folder / "zonemint.toml").write_text(f'domain = "{DOMAIN}"\nextra_domains = ["elsewhere.test"]\n')
    told = refused(folder)
    assert "elsewhere.test" in told
    assert "intermediate" in told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "pki/intermediate.key").unlink(),
        lambda folder: (folder / "pki/root.crt").write_text(""),
        lambda folder: (folder / "pki/intermediate.crt").write_bytes((folder / "pki/root.crt").read_bytes()),
    ],
    ids=["no key", "empty root", "the wrong certificate"],
)
def test_an_authority_that_is_not_whole(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder)
    assert f"{folder}/pki/" in refused(folder)
