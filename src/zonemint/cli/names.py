"""The names of a command: those of its line, and those of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from zonemint.core.errors import BadName, ConfigError
from zonemint.core.hosts import is_address
from zonemint.core.names import absolute, hostname

__all__ = ["Name", "host", "read", "scope"]

_LARGEST_FILE = 64 << 20  # octets


@dataclass(frozen=True, slots=True)
class Name:
    """A name that was asked for, with its place if it was in a file; `text` may begin with `*.`."""

    text: str
    file: Path | None = None
    line: int | None = None

    @property
    def domain(self) -> str:
        """The name itself for a wildcard."""
        return self.text.removeprefix("*.")

    def refuse(self, detail: str) -> ConfigError:
        """Return the error that says what is wrong with the name, and where it stands."""
        return ConfigError(detail, file=self.file, line=self.line)


def read(words: Sequence[str], file: Path | None, domain: str) -> list[Name]:
    """Read names of the command line and of a file, each kept once; relative ones are below `domain`.

    A file has one name on a line, and `#` begins a comment. Raises ConfigError with the file's line.
    """
    found: dict[str, Name] = {}
    for name in [*map(Name, words), *(_lines(file) if file is not None else ())]:
        try:
            text = _absolute(name.text, domain)
        except BadName as error:
            raise name.refuse(str(error)) from None
        found.setdefault(text, Name(text, name.file, name.line))
    return list(found.values())


def host(word: str, domain: str) -> str:
    """Read one name as `read` does, or an address; raises BadName."""
    if is_address(word):
        return str(ip_address(word))
    return _absolute(word, domain)


def scope(words: Sequence[str], domain: str) -> list[str]:
    """Return names of a scope with those of one label below `domain`; others may be in zones that are not ours."""
    return [one if "." in one.removeprefix("*.") or one == "*" else f"{one}.{domain}" for one in words]


def _absolute(text: str, domain: str) -> str:
    wildcard = "*." if text.startswith("*.") else ""
    return wildcard + hostname(absolute(text.removeprefix("*."), domain))


def _lines(file: Path) -> Iterator[Name]:
    try:
        with file.open("rb") as opened:
            octets = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"the names cannot be read: {error.strerror}", file=file) from None
    if len(octets) > _LARGEST_FILE:
        raise ConfigError(f"a file of names has at most {_LARGEST_FILE >> 20} MiB", file=file)
    for number, line in enumerate(octets.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        # What is not ASCII stands for itself as an escape, which no name has.
        words = line.decode("ascii", "backslashreplace").partition("#")[0].split()
        if len(words) > 1:
            raise ConfigError(f"one name on a line, not {len(words)}", file=file, line=number)
        if words:
            yield Name(words[0], file, number)
