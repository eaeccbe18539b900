"""A folder that joins the authority of a shared store, and is cut off in the middle of it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from tests.postgres import Postgres
from zonemint.app.joining import join
from zonemint.config import Config
from zonemint.core.errors import KeyFileError
from zonemint.pki import authority


@pytest.mark.parametrize("name", ["root.crt", "intermediate.crt"])
async def test_what_was_cut_off_goes_on(tmp_path: Path, postgres: Postgres, name: str) -> None:
    url, config, now = postgres.database(), Config("lab.test"), time.time()
    first, second = tmp_path / "first", tmp_path / "second"
    make = partial(authority.create, first, name="lab.test", domains=config.domains, now=now)
    made = await join(url, first, config, make, now=now, patience=0)
    obstacle = second / f".{name}.new"
    obstacle.mkdir(parents=True)
    with pytest.raises(KeyFileError):
        await join(url, second, config, make, now=now, patience=0)
    obstacle.rmdir()
    joined = await join(url, second, config, make, now=now, patience=0)
    assert (joined.fingerprint, joined.can_sign) == (made.fingerprint, False)
