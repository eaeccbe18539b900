from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ENV, ZONEMINT
from tests.programs import require_program
from zonemint.acmedns import accounts

_SECRET = re.compile(r"(?<![\w-])[\w-]{40}(?![\w-])")  # a password of an acme-dns account
_STEP = re.compile(r"^ +(\d+) +[+-]\d+ ms  (\S.*) -> (\S.*?): (\S.*)$", re.MULTILINE)


@pytest.fixture
def laboratories(tmp_path: Path) -> Path:
    """Return the folder that the demo makes its own in."""
    folder = tmp_path / "laboratories"
    folder.mkdir()
    return folder


def _certbot() -> None:
    if not Path(sys.executable).with_name("certbot").exists():
        require_program("certbot")


def _start(laboratories: Path, *words: str, interpreter: Path | None = None, path: str = "") -> subprocess.Popen[str]:
    """Run the demo; with an `interpreter` it believes to be installed beside that one."""
    command = [ZONEMINT, "demo", *words]
    if interpreter is not None:
        program = "import sys; sys.executable = sys.argv.pop(1); from zonemint.cli.main import main; main()"
        command = [sys.executable, "-c", program, str(interpreter), "demo", *words]
    env = {**ENV, "TMPDIR": str(laboratories), "PATH": path or ENV["PATH"]}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def _installation(folder: Path, certbot: str) -> Path:
    """Make a folder of programs with another certbot, and return its interpreter."""
    folder.mkdir()
    for name in ("zonemint", "zonemint-certbot-hook"):
        (folder / name).symlink_to(Path(ZONEMINT).with_name(name))
    (folder / "certbot").write_text(f"#!/bin/sh\n{certbot}\n")
    (folder / "certbot").chmod(0o755)
    return folder / "python"


def _assert_nothing_is_left(laboratories: Path) -> None:
    assert list(laboratories.iterdir()) == []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        assert str(laboratories).encode() not in command


def test_the_whole_flow_holds(laboratories: Path) -> None:
    _certbot()
    with _start(laboratories) as demo:
        out, err = demo.communicate(timeout=90)
    assert (demo.returncode, err) == (0, ""), out
    assert [int(step[0]) for step in _STEP.findall(out)] == list(range(1, 12))
    assert re.search(r"^Held: 11 steps and \d+ checks in [\d.]+ s\.$", out.splitlines()[-1])
    _assert_nothing_is_left(laboratories)

    _, credentials = accounts.new("auth.lab.test", (), "test", now_ms=0)
    assert _SECRET.fullmatch(credentials.password)
    assert not _SECRET.search(out)
    assert "PRIVATE KEY" not in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("certbot", "shown", "why"),
    [
        ("echo out of order >&2; exit 3", "out of order", "certbot ended with status 3; what it said stands above"),
        ("exit 0", "status 0", "the server has no new order for server-1.lab.test"),
    ],
    ids=["certbot fails", "certbot does nothing"],
)
def test_what_does_not_hold_is_the_last_line_and_status_1(
    laboratories: Path, tmp_path: Path, certbot: str, shown: str, why: str
) -> None:
    interpreter = _installation(tmp_path / "bin", certbot)
    with _start(laboratories, "--domain", "lab.test", interpreter=interpreter) as demo:
        out, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (1, f"zonemint: {why}\n")
    assert shown in out.splitlines()[-1]
    assert "Held" not in out
    _assert_nothing_is_left(laboratories)


def test_without_certbot_it_says_what_to_install(laboratories: Path, tmp_path: Path) -> None:
    interpreter = _installation(tmp_path / "bin", "")
    interpreter.with_name("certbot").unlink()
    with _start(laboratories, interpreter=interpreter, path=str(tmp_path)) as demo:
        said = demo.communicate(timeout=30)
    assert (demo.returncode, said) == (1, ("", 'zonemint: the demo needs certbot: pip install "zonemint[demo]"\n'))
    _assert_nothing_is_left(laboratories)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_stopped_leaves_nothing_behind(laboratories: Path, number: signal.Signals) -> None:
    _certbot()
    with _start(laboratories) as demo:
        assert demo.stdout is not None
        assert any(line.startswith("     ready") for line in demo.stdout)
        os.kill(demo.pid, number)
        _, err = demo.communicate(timeout=30)
    assert (demo.returncode, err) == (130, "")
    _assert_nothing_is_left(laboratories)
