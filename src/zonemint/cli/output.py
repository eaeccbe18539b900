"""What commands print: results to stdout, as text for people or as JSON for programs; talk to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

__all__ = ["say", "show_facts", "show_table"]


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
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())
