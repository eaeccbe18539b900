"""People see a bar while something takes long; a program sees nothing of it."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from tests.cli.program import ENV, ZONEMINT, run
from tests.store import filled
from zonemint.store.tables import tables


def on_a_terminal(*words: str | Path) -> tuple[int, bytes, bytes]:
    """Run a command whose stderr is a terminal; its status, its stdout and what the terminal was sent."""
    ours, its = pty.openpty()
    try:
        env = {**ENV, "TERM": "xterm"}
        with subprocess.Popen([ZONEMINT, *map(str, words)], stdout=subprocess.PIPE, stderr=its, env=env) as process:
            os.close(its)
            assert process.stdout is not None
            screen = b""
            while chunk := _read(ours):
                screen += chunk
            return process.wait(30), process.stdout.read(), screen
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""  # its other end is closed


def test_a_bar_on_a_terminal(folder: Path, tmp_path: Path) -> None:
    (folder / "zonemint.db").unlink(missing_ok=True)
    filled.fill(folder / "zonemint.db")
    status, printed, screen = on_a_terminal("db", "copy", "--to", tmp_path / "copy.db", "--data", folder)
    assert status == 0
    assert f"comparing {tables()[-1].name}".encode() in screen
    assert b"\x1b[" in screen
    assert b"\x1b" not in printed
    assert b"700" in printed


def test_nothing_for_a_program(folder: Path, tmp_path: Path) -> None:
    (folder / "zonemint.db").unlink(missing_ok=True)
    filled.fill(folder / "zonemint.db")
    done = run("db", "copy", "--to", tmp_path / "copy.db", "--data", folder)
    assert "comparing" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
