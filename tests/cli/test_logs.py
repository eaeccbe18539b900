from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAYING = """
import structlog
from zonemint.cli.logs import configure
configure()
for number in range(1000):
    structlog.get_logger().error("something failed", number=number)
print("went on")
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file that is always full")
def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """The disk of the store is often that of the log."""
    with Path("/dev/full").open("w") as full:
        said = subprocess.run(
            [sys.executable, "-c", SAYING], stdout=subprocess.PIPE, stderr=full, text=True, timeout=30, check=False
        )
    assert (said.returncode, said.stdout) == (0, "went on\n")


def test_each_event_is_a_line_of_json() -> None:
    said = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True, timeout=30, check=False)
    lines = said.stderr.splitlines()
    assert len(lines) == 1000
    assert '"number": 999' in lines[-1]
