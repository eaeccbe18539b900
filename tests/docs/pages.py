"""The pages for readers, and the shell blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks"]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"( *)```(\w*)")
_NOT_RUN = re.compile(r" *<!-- not run: (\S.*\S) -->")
_SHELL = {"sh", "console"}
_OTHER = {"text", "toml", "json", "python"}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of shell commands; `reason` says why it cannot be run here, `place` is its page and line.

    `console` tells that commands begin with `$ ` and that what they print stands below each.
    """

    text: str
    place: str
    console: bool
    reason: str | None


def blocks(page: Path) -> list[Block]:
    """Take the shell blocks out of a page; raises ValueError for a fence that could hide a command."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            if _NOT_RUN.fullmatch(lines[at]) and not _FENCE.match(lines[at + 1]):
                raise ValueError(f"{page}:{at + 1}: the mark stands above no block")
            at += 1
            continue
        indent, language = fence.groups()
        place = f"{page.relative_to(ROOT)}:{at + 1}"
        if language not in _SHELL | _OTHER:
            raise ValueError(f"{place}: a block says its language, one of {sorted(_SHELL | _OTHER)}")
        end = lines.index(f"{indent}```", at + 1)
        text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end])
        if language in _SHELL:
            mark = _NOT_RUN.fullmatch(lines[at - 1])
            found.append(Block(text, place, language == "console", mark[1] if mark else None))
        elif re.search(r"^(?:\$|zonemint|certbot|curl|dig) ", text, re.MULTILINE):
            raise ValueError(f"{place}: commands stand in blocks of {sorted(_SHELL)}")
        at = end + 1
    return found
