from __future__ import annotations

import os
from pathlib import Path

import pytest

from zonemint.config import DataDir, data_dir


def test_the_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEMINT_DATA", "/from/env")
    assert data_dir(Path("/from/option")) == Path("/from/option")
    assert data_dir(None) == Path("/from/env")


@pytest.mark.parametrize(
    ("user", "xdg", "folder"),
    [
        (0, "/xdg", "/var/lib/zonemint"),
        (1000, "/xdg", "/xdg/zonemint"),
        (1000, None, "/home/mint/.local/share/zonemint"),
        (1000, "relative", "/home/mint/.local/share/zonemint"),
    ],
)
def test_without_a_choice_the_user_decides(
    monkeypatch: pytest.MonkeyPatch, user: int, xdg: str | None, folder: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("HOME", "/home/mint")
    monkeypatch.delenv("ZONEMINT_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if xdg is not None:
        monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert data_dir(None) == Path(folder)


def test_everything_lies_in_the_folder() -> None:
    data = DataDir(Path("/d"))
    assert [str(path) for path in (data.config, data.zone_file("lab.test"), data.pki, data.database)] == [
        "/d/zonemint.toml",
        "/d/zones/lab.test.zone",
        "/d/pki",
        "/d/zonemint.db",
    ]
