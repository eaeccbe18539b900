"""The file that the log of queries goes to."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import structlog

from tests.server import DOMAIN, running, until
from zonemint.app.query_log import QueryLogFile
from zonemint.core.errors import ConfigError


async def written(log: QueryLogFile, text: str) -> None:
    log.write(text)
    await asyncio.sleep(0.3)


async def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "queries.log"
    log = QueryLogFile(file)
    await written(log, "one")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.rename(tmp_path / "queries.log.1")
    await written(log, "two")
    log.write("three")
    log.close()
    assert (tmp_path / "queries.log.1").read_text() == "one\n"
    assert file.read_text() == "two\nthree\n"


async def test_a_flood_is_cut_and_told(tmp_path: Path) -> None:
    file = tmp_path / "queries.log"
    log = QueryLogFile(file)
    with structlog.testing.capture_logs() as logs:
        for number in range(30_000):
            log.write(str(number))
        log.close()
    assert len(file.read_text().splitlines()) == 20_000
    assert [entry["left_out"] for entry in logs] == [10_000]


async def test_a_disk_that_takes_nothing_costs_lines_and_is_told_once() -> None:
    log = QueryLogFile(Path("/dev/full"))
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await written(log, "lost")
        log.close()
    assert [entry["event"] for entry in logs] == ["queries are not written down"]


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the log of queries cannot be opened: No such file or directory"):
        QueryLogFile(tmp_path / "no" / "such")


def test_up_writes_it_as_the_settings_say(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "zonemint.toml").write_text(f'domain = "{DOMAIN}"\n[query_log]\nfile = "q.log"\nclasses = ["denial"]\n')
    with running(folder) as server:
        server.ask(f"ca.{DOMAIN}", "A")
        server.ask(f"nothing.{DOMAIN}", "A")
        until(lambda: (folder / "q.log").read_text() != "", "a line is written")
    lines = (folder / "q.log").read_text().splitlines()
    assert len(lines) == 1
    assert f'"A IN nothing.{DOMAIN}. udp' in lines[0]
