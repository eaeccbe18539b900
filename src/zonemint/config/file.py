"""The settings as a TOML file: reading it with errors that name the line, and writing the first one."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from zonemint.config.tree import Config
from zonemint.config.values import Seconds, SettingError, quoted, steps
from zonemint.core.errors import ConfigError

__all__ = ["load", "render", "settings", "with_database"]

S = TypeVar("S", bound=msgspec.Struct)

_PLACE = re.compile(r"(.*) - at `\$\.([^`]*)`", re.DOTALL)
_TOML_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_HEAD = """\
# The settings of zonemint. A setting that begins with "#" stands at its default.
"""


def load(file: Path) -> Config:
    """Read the settings; raises ConfigError with the file and, where there is one, the line."""
    try:
        text = file.read_bytes().decode()
        tree = tomllib.loads(text)
        return _convert(tree)
    except FileNotFoundError:
        advice = f"`zonemint init --domain DOMAIN --data {file.parent}` makes it"
        raise ConfigError(f"there is no such file; {advice}", file=file) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("this line is not UTF-8", file=file, line=line) from None
    except tomllib.TOMLDecodeError as error:
        match = _TOML_PLACE.fullmatch(str(error))
        if match is None:
            raise ConfigError(f"not TOML: {error}", file=file) from None
        line = int(match[2] or text.rstrip().count("\n") + 1)
        raise ConfigError(f"not TOML: {match[1]}", file=file, line=line) from None
    except SettingError as error:
        raise ConfigError(error.detail, file=file, line=_line_of(text, steps(error.key))) from None


def render(config: Config) -> str:
    """Write the settings as a first `zonemint.toml`: what was chosen, and every default as a comment."""
    defaults = dict(settings(Config(config.domain)))
    defaults["external_url"] = json.dumps(config.usual_url)
    for field in msgspec.structs.fields(Config):
        if (kind := _named(field.type)) is not None:
            for name in getattr(config, field.name):
                defaults |= {f"{field.name}.{quoted(name)}.{key}": value for key, value in settings(kind())}
    blocks: list[str] = [_HEAD]
    table = ""
    for key, value in settings(config):
        above, _, name = key.rpartition(".")
        if above != table:
            blocks.append(f"\n[{above}]\n")
            table = above
        mark = "# " if value == defaults.get(key) and key != "domain" else ""
        blocks.append(f"\n# {_meaning(key)}\n{mark}{name} = {value}\n")
    return "".join(blocks)


def with_database(text: str, url: str) -> str:
    """Return the text of the settings with another `store.database`, and all else as it was written.

    Raises ConfigError when the setting stands in a way that cannot be replaced as a whole.
    """
    wanted = tomllib.loads(text)
    wanted.setdefault("store", {})["database"] = url
    lines = text.split("\n")
    value = f"database = {json.dumps(url, ensure_ascii=False)}"
    old, table = _statement(lines, ["store", "database"]), _statement(lines, ["store"])
    # In its place, or on top where there was none, or at the beginning of its table.
    for (begin, end), written in ((old, value), (old, f"store.{value}"), ((table[1], table[1]), value)):
        changed = "\n".join([*lines[:begin], written, *lines[end:]])
        with suppress(tomllib.TOMLDecodeError):
            if tomllib.loads(changed) == wanted:
                return changed
    raise ConfigError("store.database cannot be replaced: write it on a line of its own, in the table [store]")


def settings(tree: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Yield every setting that has a value as its dotted name and its value in TOML, tables after the plain ones."""
    for field in msgspec.structs.fields(type(tree)):
        value = getattr(tree, field.name)
        if isinstance(value, msgspec.Struct):
            yield from ((f"{field.name}.{key}", text) for key, text in settings(value))
        elif _named(field.type) is not None:
            for name, table in value.items():
                yield from ((f"{field.name}.{quoted(name)}.{key}", text) for key, text in settings(table))
        elif value is not None:
            yield field.name, _toml(value)


def _convert(tree: dict[str, Any]) -> Config:
    _refuse_unknown(tree, Config, "")
    if "domain" not in tree:
        raise SettingError("domain", 'it must be set, such as domain = "lab.test"')
    for field in msgspec.structs.fields(Config):
        tables = tree.get(field.name)
        if (kind := _named(field.type)) is not None and isinstance(tables, dict):
            # Each by itself first, since errors of the whole do not say in which one they are.
            for name, table in tables.items():
                _read(table, kind, above=f"{field.name}.{quoted(name)}")
    return _read(tree, Config)


def _read(tree: Any, kind: type[S], *, above: str = "") -> S:
    """Make a table's struct; raises SettingError with the whole name of the setting."""
    prefix = f"{above}." if above else ""
    try:
        return msgspec.convert(tree, kind, dec_hook=_scalar)
    except SettingError as error:
        raise SettingError(f"{prefix}{error.key}", error.said) from None
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        key = above if match is None else prefix + match[2].partition("[")[0]
        raise SettingError(key, _plain(match[1] if match else str(error), key)) from None


def _refuse_unknown(tree: Mapping[str, Any], kind: type[msgspec.Struct], above: str) -> None:
    """Raise SettingError for the first key that is no setting, with the one that was probably meant."""
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in tree.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            hint = f"; did you mean '{above}{near[0]}'?" if near else ""
            raise SettingError(above + quoted(key), f"there is no such setting{hint}")
        if not isinstance(value, dict):
            continue
        if isinstance(types[key], type) and issubclass(types[key], msgspec.Struct):
            _refuse_unknown(value, types[key], f"{above}{key}.")
        elif (kind_ := _named(types[key])) is not None:
            for name, table in value.items():
                if isinstance(table, dict):
                    _refuse_unknown(table, kind_, f"{above}{key}.{quoted(name)}.")


def _plain(message: str, key: str) -> str:
    """Say what msgspec says in TOML's words."""
    if message.startswith("Invalid enum"):
        return f"it must be one of {', '.join(get_args(_kind(key).__origin__))}"
    words = {"object": "a table", "array": "a list", "str": "a text", "int": "a whole number", "bool": "true or false"}
    plain = re.sub(r"`(\w+)`", lambda match: words.get(match[1], match[1]), message)
    return plain[:1].lower() + plain[1:]


def _scalar(kind: type, value: object) -> object:
    """Read what TOML has no type for; raises ValueError."""
    if kind is Seconds:
        return Seconds.parse(value)
    raise NotImplementedError(kind)


def _line_of(text: str, path: list[str]) -> int | None:
    """Find the line (from 1) on which the statement begins that sets `path`, or the one that opens its table.

    TOML knows best where a statement ends: the file is read line by line until the key appears.
    """
    begin, end = _statement(text.split("\n"), path)
    if begin < end:
        return begin + 1
    return _line_of(text, path[:-1]) if path[:-1] else None


def _statement(lines: list[str], path: list[str]) -> tuple[int, int]:
    """Return the lines (from 0, the last excluded) of the statement that first sets `path`; (0, 0) if none does."""
    begin = 0
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(tree, path):
            return begin, end
        begin = end
    return 0, 0


def _has(tree: object, path: list[str]) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True


def _meaning(key: str) -> str:
    """Return what is said about a setting where it is defined."""
    return str(next(meta.description for meta in _kind(key).__metadata__ if meta.description))


def _kind(key: str) -> Any:
    """Return the annotated type of a setting."""
    kind: Any = Config
    for name in steps(key):
        # In place of a name of its own, a table has what all its kind have.
        of_name = _named(kind)
        kind = of_name or next(field.type for field in msgspec.structs.fields(kind) if field.name == name)
    return kind


def _named(type_: Any) -> type[msgspec.Struct] | None:
    """Return what each table is, of a setting whose tables have names of their own."""
    kind = get_args(type_)[-1] if get_origin(type_) is Mapping else None
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _toml(value: object) -> str:
    """Write a value in TOML; JSON strings and numbers are TOML's too."""
    if isinstance(value, Seconds):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{quoted(key)} = {_toml(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)
