from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import ENV, ZONEMINT, run
from zonemint import __version__


def test_version() -> None:
    assert run("--version").stdout == f"zonemint {__version__}\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_the_commands(option: str) -> None:
    done = run(option)
    assert done.returncode == 0
    assert {"init", "config"} <= {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert done.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from zonemint.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('loaded', *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in loaded
    assert not loaded & {"asyncio", "cryptography", "dns", "msgspec", "pydantic", "rich", "sqlite3", "ssl"}


@pytest.mark.parametrize("words", [[], ["chek"], ["config"], ["config", "chek"], ["config", "check", "--no"], ["--no"]])
def test_wrong_usage_is_status_2_and_said_to_stderr(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Usage: zonemint" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_ends_the_program_without_a_word(tmp_path: Path) -> None:
    run("init", "--domain", "lab.test", "--data", tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [ZONEMINT, "config", "show", "--data", str(tmp_path)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=ENV,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    run("init", "--domain", "lab.test", "--data", tmp_path)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [ZONEMINT, "config", "show", "--data", str(tmp_path)],
            stdout=full,
            stderr=subprocess.PIPE,
            env=ENV,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (1, b"zonemint: No space left on device\n")


def test_control_c_ends_the_program_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    os.mkfifo(file)
    program = subprocess.Popen(
        [ZONEMINT, "config", "check", "--data", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )
    # Opening a FIFO waits for its reader: from here on the program is inside its command.
    with program, file.open("wb"):
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=30)
    assert (program.returncode, said) == (130, (b"", b""))
