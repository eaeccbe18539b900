from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.server import until
from zonemint.core.errors import Undelivered
from zonemint.hooks.command import Command
from zonemint.hooks.events import Event

EVENT = Event("ab" * 32, "certificate.issued", 1_800_000_000.0, "5e", {"serial": "5e"})


def script(tmp_path: Path, text: str) -> str:
    file = tmp_path / "told"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


async def run(*words: str, seconds: float = 20) -> str:
    return await Command(words, source="https://ca.lab.test", timeout=seconds).deliver(EVENT, now=0)


async def test_a_program_reads_the_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEMINT_DATABASE", "postgresql://u:secret@h/d")
    told = script(tmp_path, f'cat > {tmp_path}/got; env > {tmp_path}/env; echo "took $1 $ZONEMINT_EVENT"')
    assert await run(told, "one word") == "took one word certificate.issued"
    got = json.loads((tmp_path / "got").read_text())
    assert (got["type"], got["data"]) == ("zonemint.certificate.issued", {"serial": "5e"})
    env = (tmp_path / "env").read_text()
    assert "secret" not in env
    assert f"ZONEMINT_EVENT_ID={EVENT.id}" in env


async def test_another_exit_status_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match="exit status 3 it was bad") as failure:
        await run(script(tmp_path, "echo it was bad >&2; exit 3"))
    assert failure.value.refused


async def test_a_program_that_is_not_there_may_come(tmp_path: Path) -> None:
    with pytest.raises(Undelivered, match="No such file") as failure:
        await run(str(tmp_path / "none"))
    assert not failure.value.refused


async def test_a_program_that_reads_nothing_and_prints_much_is_fine(tmp_path: Path) -> None:
    said = await run(script(tmp_path, "exec <&-; yes x | head -c 1000000; echo end"))
    assert "x x x" in said
    assert len(said) <= 300


async def test_one_that_does_not_end_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    told = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(Undelivered, match="did not end"):
        await run(told, seconds=1)
    child = int((tmp_path / "child").read_text())

    def is_gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]

    until(is_gone, "the child is gone")


async def test_one_that_leaves_something_behind_is_not_waited_for(tmp_path: Path) -> None:
    # What it left holds the pipe, until the time is over or it is killed with its group.
    told = script(tmp_path, "sleep 1000 >/dev/null 2>&1 & echo done")
    assert await run(told) == "done"
