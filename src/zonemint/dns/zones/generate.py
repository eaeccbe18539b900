"""`$GENERATE`: many lines of a zone file by one, as BIND has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from zonemint.core.errors import ConfigError

__all__ = ["lines"]

_MOST = 65_536
_RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?")
_PLACE = re.compile(r"\\\$|\$\$|\$(?:\{(-?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?\})?")


def lines(words: Sequence[str]) -> Iterator[str]:
    """Return the lines that the words after `$GENERATE` stand for: a range, a name, maybe TTL and class, type, data.

    `$` is the number; `${offset,width,base}` one that is moved, filled up with zeros, and written with base d, o, x, X,
    n or N (nibbles, for ip6.arpa); `$$`, also `$` after a backslash, is a dollar sign. Raises ConfigError.
    """
    match = _RANGE.fullmatch(words[0]) if words else None
    if match is None or len(words) < 4:
        raise ConfigError("$GENERATE is followed by a range, such as 1-254, a name, a type and data")
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if step < 1 or first > last:
        raise ConfigError(f"$GENERATE: {words[0]} is not a range, such as 1-254 or 0-100/2")
    if (last - first) // step >= _MOST:
        raise ConfigError(f"$GENERATE makes {_MOST} records at most")
    template = " ".join(words[1:])
    places = list(_PLACE.finditer(template))
    if any(place[0] == "$" and template.startswith("{", place.end()) for place in places):
        raise ConfigError("$GENERATE: what stands in brackets after $ is an offset, a width and a base, as in ${0,3,d}")
    starts, ends = [place.start() for place in places], [place.end() for place in places]
    pieces = [template[begin:end] for begin, end in zip([0, *ends], [*starts, len(template)], strict=True)]
    for number in range(first, last + 1, step):
        written = [_written(place, number) for place in places]
        yield "".join([one for pair in zip(pieces, [*written, "\n"], strict=True) for one in pair])


def _written(place: re.Match[str], number: int) -> str:
    if place[0] in ("$$", "\\$"):
        return "$"
    value, width, base = number + int(place[1] or 0), int(place[2] or 0), place[3] or "d"
    if value < 0:
        raise ConfigError(f"$GENERATE: {place[0]} makes {value} of {number}, and there are no negative numbers")
    if base not in "nN":
        return f"{value:0{width}{base}}"
    # The width counts the dots too, as BIND has it.
    digits = f"{value:0{(width + 1) // 2}{'x' if base == 'n' else 'X'}}"
    return ".".join(reversed(digits))
