"""Programs that we did not write and that a test wants on this machine."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["require_program"]


def require_program(name: str) -> str:
    """Return the program's path; skip the test when it is missing, or fail where all of them were promised."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is not None:
        return path
    if os.environ.get("ZONEMINT_REQUIRE_ALL"):
        pytest.fail(f"the program '{name}' is not on this machine, and it was promised")
    pytest.skip(f"the program '{name}' is not on this machine")
