from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.site import Site, site_running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests of a process that prove names by two ports, each with names of its own."""
    with site_running(tmp_path_factory.mktemp("site") / "data") as one:
        yield one


@pytest.fixture(scope="session")
def lego_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """lego's library with its provider acme-dns, built from Go modules.

    Where that cannot be done the test is skipped; the bytes of its requests are tested everywhere.
    """
    go = shutil.which("go")
    if go is None:
        pytest.skip("the program 'go' is not on this machine")
    program = tmp_path_factory.mktemp("lego") / "lego"
    words = [go, "build", "-C", str(Path(__file__).with_name("lego")), "-o", str(program), "."]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "GOFLAGS": "-mod=readonly"})
    if done.returncode:
        pytest.skip(f"lego's library cannot be built here: {done.stderr.strip().splitlines()[-1]}")
    return str(program)
