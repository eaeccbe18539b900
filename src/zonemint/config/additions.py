"""Settings written into a file that a person may have written: each in its table, and all else as it was."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from zonemint.config.values import quoted
from zonemint.core.errors import ConfigError

__all__ = ["toml", "with_tables"]


def toml(tree: Mapping[str, Any]) -> str:
    """Write tables of texts, numbers, booleans and lists, those inside each other after the plain settings."""
    return "".join(f"\n[{name}]\n{body}" for name, body in _tables(tree, ""))


def with_tables(text: str, tree: Mapping[str, Any]) -> str:
    """Return a file's text with more settings: in the tables that it has, else in new ones at its end.

    Raises ConfigError for a setting that it has already with another value.
    """
    there = tomllib.loads(text)
    if clash := next(_clashes(there, tree, ""), None):
        raise ConfigError(f"{clash} is set already")
    lines = text.rstrip("\n").split("\n")
    left = []
    for name, body in _tables(_missing(there, tree), ""):
        header = f"[{name}]"
        if header in lines:
            at = lines.index(header) + 1
            lines[at:at] = body.rstrip("\n").split("\n")
        else:
            left.append(f"\n{header}\n{body}")
    whole = "\n".join(lines) + "\n" + "".join(left)
    try:
        read = tomllib.loads(whole)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"settings cannot be added to it as it is written: {error}") from None
    if read != _merged(there, tree):
        raise ConfigError("settings cannot be added to it as it is written")
    return whole


def _tables(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name of each table that has plain settings, or nothing in it, and their lines."""
    for key, value in tree.items():
        name = above + quoted(key)
        plain = {one: item for one, item in value.items() if not isinstance(item, Mapping)}
        if plain or not value:
            yield name, "".join(f"{quoted(one)} = {_value(item)}\n" for one, item in plain.items())
        yield from _tables({one: item for one, item in value.items() if isinstance(item, Mapping)}, f"{name}.")


def _value(item: Any) -> str:
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(_value, item))}]"
    # JSON leaves DEL as it is, which TOML does not allow.
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")


def _clashes(there: Mapping[str, Any], tree: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in tree.items():
        if key not in there:
            continue
        if isinstance(value, Mapping) and isinstance(there[key], Mapping):
            yield from _clashes(there[key], value, f"{above}{quoted(key)}.")
        elif value != there[key]:
            yield above + quoted(key)


def _missing(there: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a tree is not there yet."""
    missing: dict[str, Any] = {}
    for key, value in tree.items():
        if key not in there:
            missing[key] = value
        elif isinstance(value, Mapping) and (rest := _missing(there[key], value)):
            missing[key] = rest
    return missing


def _merged(there: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(there)
    for key, value in tree.items():
        merged[key] = _merged(there.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged
