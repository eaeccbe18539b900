"""docs/configuration.md has every setting with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from zonemint.config import Config, Hook, Profile, Provisioner, View, ZoneSettings, settings

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
MADE = {"domain", "name", "external_url", "profiles.lifetime"}  # their defaults are words
UNSET = {"listen.dot_port", "listen.doh_port", "forward.serve_stale", "zones.allow_transfer", "zones.notify"}
NAMED = {
    "profiles": Profile(),
    "provisioners": Provisioner(),
    "hooks": Hook(),
    "zones": ZoneSettings(),
    "views": View(),
}


def test_the_page_has_exactly_the_settings_and_their_defaults() -> None:
    page: dict[str, str] = {}
    table: str | None = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (?:`\[(\w+)(?:\.NAME)?\]`|(.*))", line):
            table = f"{heading[1]}." if heading[1] else "" if heading[2] == "At the top" else None
        elif table is not None and (row := re.match(r"\| `(\w+)` \| (.*?) \| \S", line)):
            page[table + row[1]] = row[2]
    expected = {key: f"`{value}`" for key, value in settings(Config("lab.test"))}
    expected |= {f"{table}.{key}": f"`{value}`" for table, one in NAMED.items() for key, value in settings(one)}
    expected |= dict.fromkeys(UNSET, "unset")
    assert page.keys() == expected.keys() | {"profiles.lifetime"}
    assert {key: text for key, text in page.items() if key not in MADE} == {
        key: text for key, text in expected.items() if key not in MADE
    }
