"""A Corefile made into settings and zone files of a data folder, new or there already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from zonemint.config import Config, DataDir, load
from zonemint.config.additions import toml, with_tables
from zonemint.core.errors import ConfigError
from zonemint.core.files import put
from zonemint.importers.corefile import Corefile, translate
from zonemint.importers.corefile_text import read_blocks
from zonemint.importers.findings import Mapped, Refused

__all__ = ["Report", "bring", "read", "report"]


class Report(msgspec.Struct, frozen=True):
    """What came, what did not and why, and the settings that it makes."""

    zones: tuple[str, ...]
    hosts: int
    mapped: tuple[Mapped, ...]
    refused: tuple[Refused, ...]
    settings: str


def read(file: Path, domain: str, variables: Mapping[str, str]) -> Corefile:
    """Read and translate a Corefile for the server of a domain; raises ForeignDataError."""
    return translate(read_blocks(file, variables), domain)


def report(found: Corefile) -> Report:
    """Tell what was found."""
    zones = tuple(one.origin for one in found.zones)
    return Report(zones, len(found.hosts), found.mapped, found.refused, toml(found.tree))


def bring(found: Corefile, data: DataDir) -> Config:
    """Write settings, zone files and hosts into a folder that has settings, and return all of them.

    Raises ConfigError, and writes nothing, when a setting stands there already, or a zone has another file.
    """
    try:
        text = with_tables(data.config.read_text(encoding="utf-8"), found.tree)
    except ConfigError as error:
        advice = "add by hand what `zonemint import corefile --dry-run` prints"
        raise ConfigError(f"{error.detail}: {advice}", file=data.config) from None
    files = {data.zone_file(one.origin): one.file.read_bytes() for one in found.zones}
    if found.hosts:
        files[data.path / "hosts"] = "".join(f"{line}\n" for line in found.hosts).encode()
    for target, content in files.items():
        if target.exists() and target.read_bytes() != content and _says_something(target):
            raise ConfigError("it is there already and says something else: move it away", file=target)
    draft = data.config.with_name(f"{data.config.name}.new")
    try:
        put(draft, text.encode(), private=True)
        config = load(draft)
        data.zones.mkdir(exist_ok=True)
        for target, content in files.items():
            put(target, content)
        draft.replace(data.config)
    except ConfigError as error:
        raise ConfigError(error.detail, file=data.config, line=error.line or None) from None
    finally:
        draft.unlink(missing_ok=True)
    return config


def _says_something(file: Path) -> bool:
    """Tell whether a file has more in it than comments and `$TTL`, as the one has that a first start writes."""
    return any(line.strip() and not line.startswith((b";", b"#", b"$TTL")) for line in file.read_bytes().splitlines())
