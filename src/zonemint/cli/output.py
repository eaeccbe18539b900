"""What commands print: results to stdout, as text for people or as JSON for programs; talk to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Literal, Self, TypeAlias

__all__ = ["Form", "Rows", "say", "show_facts", "show_table"]

Form: TypeAlias = Literal["table", "json", "lines"]
"""How rows are printed.

A table is for people; an array and lines are JSON."""


def show_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: the chosen columns, aligned and never cut; or a JSON array of the whole rows."""
    if as_json:
        _print_json(rows)
        return
    cells = [[column.upper().replace("_", " ") for column in columns]]
    cells += [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


class Rows:
    """Prints rows as they come, as text, as a JSON array or as JSON lines; a table's widths are those of the first."""

    def __init__(self, columns: Sequence[str], form: Form) -> None:
        self._columns = columns
        self._form = form
        self._widths: list[int] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        if self._form == "json":
            print("\n]" if self._count else "[]")
        elif self._form == "table":
            self._head([])

    def add(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Print some more."""
        if not rows:
            return
        if self._form == "table":
            cells = [[_text(row.get(column)) for column in self._columns] for row in rows]
            self._head(cells)
            for line in cells:
                self._line(line)
        for row in rows if self._form != "table" else ():
            text = _json(row, indent=2 if self._form == "json" else 0)
            if self._form == "json":
                print(",\n" if self._count else "[\n", end="")
                print("  " + text.replace("\n", "\n  "), end="")
            else:
                print(text)
            self._count += 1

    def _head(self, cells: Sequence[Sequence[str]]) -> None:
        if self._widths:
            return
        head = [column.upper().replace("_", " ") for column in self._columns]
        self._widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        self._line(head)

    def _line(self, cells: Sequence[str]) -> None:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True)).rstrip())


def show_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print one thing: a line for each of its facts, aligned; or a JSON object."""
    if as_json:
        _print_json(facts)
        return
    width = max(map(len, facts), default=0) + 1
    for key, value in facts.items():
        print(f"{key.replace('_', ' ') + ':':<{width}}  {_text(value)}".rstrip())


def say(text: str) -> None:
    """Tell the person something that is no result."""
    print(text, file=sys.stderr)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)


def _print_json(value: object) -> None:
    print(_json(value, indent=2))


def _json(value: object, *, indent: int) -> str:
    import msgspec

    text = msgspec.json.encode(value, enc_hook=str)
    return (msgspec.json.format(text, indent=indent) if indent else text).decode()
