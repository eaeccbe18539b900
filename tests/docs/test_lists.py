"""The lists on the pages are whole: packages, decisions in their order, how-to pages, and every command."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import typer.main

from tests.docs.pages import PAGES, ROOT
from zonemint.cli.main import app

DECISIONS = ROOT / "docs/adr"


def test_every_decision_is_listed_once_in_order() -> None:
    found = re.findall(r"^(\d+)\. \[.+\]\((.+)\)$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert [file for _, file in found] == sorted(one.name for one in DECISIONS.glob("[0-9]*.md"))
    assert all(int(number) == int(file[:4]) for number, file in found)


def test_every_package_has_its_line_on_the_map() -> None:
    packages = (ROOT / "docs/architecture.md").read_text().partition("## The packages")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", packages, re.MULTILINE)
    assert sorted(named) == sorted(one.parent.name for one in ROOT.glob("src/zonemint/*/__init__.py"))


def test_the_readme_leads_to_every_page_for_a_task() -> None:
    linked = re.findall(r"\]\((docs/how-to/[\w-]+\.md)", (ROOT / "README.md").read_text())
    assert {ROOT / one for one in linked} >= set((ROOT / "docs/how-to").glob("*.md"))


def _commands(group: object, path: str) -> Iterator[str]:
    for name, one in getattr(group, "commands", {}).items():
        if hasattr(one, "commands"):
            yield from _commands(one, f"{path} {name}")
        else:
            yield f"{path} {name}"


@pytest.mark.parametrize("command", list(_commands(typer.main.get_command(app), "zonemint")))
def test_every_command_is_told_on_a_page(command: str) -> None:
    assert any(command in page.read_text().replace('"$(command -v zonemint)"', "zonemint") for page in PAGES)
