"""The schema as numbered SQL files, applied in order and never changed after a release.

`0001_foundation.sql` is for every engine, `0002_nodes.postgresql.sql` for one, and comes after the common file of its
number. The common text is SQLite's; what another engine calls otherwise, that engine's own module says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias

from zonemint.core.errors import SchemaTooNew

__all__ = ["Engine", "Migration", "after", "newest"]

Engine: TypeAlias = Literal["sqlite", "postgresql"]


class Migration(NamedTuple):
    """The statements that lead from the schema before to `version`."""

    version: int
    statements: tuple[str, ...]


def newest() -> int:
    """Return the number of the schema that this release works with."""
    return max(version for version, _, _ in _files())


def after(current: int, engine: Engine) -> list[Migration]:
    """Return what leads from a schema to the newest, in order; raises SchemaTooNew when it is newer than that."""
    if current > newest():
        raise SchemaTooNew(
            f"the store has schema {current} and this release knows up to {newest()}: "
            "use a newer zonemint, or restore a backup"
        )
    found: dict[int, tuple[str, ...]] = {}
    for version, only, text in sorted(_files()):
        if version > current and only in ("", engine):
            found[version] = found.get(version, ()) + tuple(_statements(text, _IS_WHOLE[engine]))
    return [Migration(*one) for one in sorted(found.items())]


def _files() -> list[tuple[int, str, str]]:
    """Return (number, engine or an empty text, text) of each file."""
    found = []
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".sql"):
            stem, _, engine = file.name.removesuffix(".sql").partition(".")
            found.append((int(stem.partition("_")[0]), engine, file.read_text(encoding="ascii")))
    return found


def _statements(text: str, is_whole: Callable[[str], bool]) -> list[str]:
    """Cut a file into statements: at the semicolons that are not inside of a trigger or a function."""
    lines = (line.partition("--")[0].rstrip() for line in text.splitlines())
    statements = []
    part = ""
    for piece in "\n".join(lines).split(";"):
        part += piece
        if is_whole(f"{part};"):
            if part.strip():
                statements.append(part.strip())
            part = ""
        else:
            part += ";"
    return statements


_IS_WHOLE: dict[Engine, Callable[[str], bool]] = {
    "sqlite": sqlite3.complete_statement,
    "postgresql": lambda text: text.count("$$") % 2 == 0,
}
