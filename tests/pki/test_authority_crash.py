from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from zonemint.pki import authority

NOW = 1_800_000_000.0

CRASH = """
import os, sys
from pathlib import Path
from zonemint.pki import authority

folder, allowed = Path(sys.argv[1]), 0
while True:
    child = os.fork()
    if child == 0:
        left = allowed
        def crash(event, arguments):
            global left
            if event in ("open", "os.mkdir", "os.link", "os.remove", "os.rename"):
                if left == 0:
                    os._exit(9)
                left -= 1
        sys.addaudithook(crash)
        authority.create(folder / str(allowed) / "pki", name="Lab", domains=["lab.test"], now=float(sys.argv[2]))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    allowed += 1
print(allowed)
"""


def test_a_crash_at_any_step_leaves_a_whole_authority_or_none(tmp_path: Path) -> None:
    run = [sys.executable, "-c", CRASH, str(tmp_path), str(NOW)]
    steps = int(subprocess.run(run, capture_output=True, timeout=60, check=True).stdout)
    made = 0
    for step in range(steps):
        folder = tmp_path / str(step) / "pki"
        if folder.exists():
            made += 1
        else:
            authority.create(folder, name="Lab", domains=["lab.test"], now=NOW)
        assert authority.load(folder, now=NOW).current.domains == ("lab.test", "localhost")
        assert len(os.listdir(folder)) == 4
    # Both ways to end must have been seen, or the crashes were not where the work is.
    assert 0 < made < steps
    assert steps > 10
