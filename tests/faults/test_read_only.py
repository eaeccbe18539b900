"""A file system that became read-only: what is there is served, nothing more is taken, and each says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.faults.answers import ready, register
from tests.faults.mounts import break_off, ext4, remount
from tests.server import DOMAIN, HOST, running

REFUSED = (["up"], ["register", "other"], ["zone", "add", DOMAIN, "other", "60", "A", "192.0.2.1"])
READING = (["zone", "list"], ["certs", "list"], ["orders", "list"], ["config", "show"])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with ext4(tmp_path / "disk", tmp_path / "image", 32 << 20) as point:
        yield point


def test_a_server_goes_on_reading_and_takes_nothing(disk: Path) -> None:
    with running(disk / "data") as server:
        assert register(server).status == 200
        break_off(disk)
        for _ in range(3):
            assert register(server) == (503, "5", '{"error": "db_error"}')
        assert ready(server)[:2] == (503, "5")
        assert f"{server.folder}/zonemint.db: the disk fails" in ready(server).text
        assert server.answers(f"ca.{DOMAIN}", "A") == [HOST]
        assert server.fetch("/crl")
        for words in READING:
            assert run(*words, "--data", server.folder).returncode == 0
        for words in REFUSED[1:]:
            refused = run(*words, "--data", server.folder)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr.startswith(f"zonemint: {server.folder}/zonemint.db: the store is read-only: make its")


def test_a_start_on_a_read_only_folder_is_one_clear_line(disk: Path) -> None:
    with running(disk / "data") as server:
        assert register(server).status == 200
    remount(disk, "ro")
    for words in (*REFUSED, READING[0]):
        refused = run(*words, "--data", disk / "data")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"zonemint: {disk}/data/zonemint.db: the store cannot be opened: its folder must be there and writable\n"
        )
    made = run("init", "--domain", DOMAIN, "--data", disk / "other")
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr == f"zonemint: {disk}/other: Read-only file system\n"
    remount(disk, "rw")
    with running(disk / "data") as server:
        assert register(server).status == 200
