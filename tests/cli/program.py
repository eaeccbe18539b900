"""The installed program, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["ENV", "ZONEMINT", "run"]

ZONEMINT = str(Path(sys.executable).with_name("zonemint"))
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def run(*words: str | Path, env: Mapping[str, str] = ENV) -> subprocess.CompletedProcess[str]:
    """Run `zonemint WORDS` to its end, in an environment of its own, with what it wrote."""
    return subprocess.run([ZONEMINT, *map(str, words)], capture_output=True, text=True, env=env, timeout=30)
