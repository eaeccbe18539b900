from __future__ import annotations

import urllib.error
from pathlib import Path

import pytest

from tests.server import DOMAIN, HOST, Running, running, until


def _ready(server: Running) -> tuple[int, str]:
    try:
        return 200, server.fetch("/ready").decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_store_that_is_gone_is_told_and_takes_nothing_more(tmp_path: Path) -> None:
    """Else every client would be told of accounts and certificates that the next start does not know."""
    with running(tmp_path / "data") as server:
        assert _ready(server) == (200, "OK")
        file = server.folder / "zonemint.db"
        file.rename(tmp_path / "elsewhere.db")
        until(lambda: _ready(server)[0] == 503, "it is noticed")
        assert f"{file}: the file was removed" in _ready(server)[1]
        with pytest.raises(urllib.error.HTTPError, match="503") as refusal:
            server.get("/register", body=b"")
        assert refusal.value.headers["Retry-After"]
        refusal.value.close()
        # DNS goes on from memory.
        assert server.answers(f"ca.{DOMAIN}", "A") == [HOST]
