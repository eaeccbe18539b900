"""Domain names as text: lower case, ASCII (A-labels), no trailing dot."""

from __future__ import annotations

import re

from zonemint.core.errors import BadName
from zonemint.core.text import shown

__all__ = ["absolute", "hostname", "is_within", "normalize", "parent"]

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalize(text: str) -> str:
    """Return a domain name in lower case without its trailing dot; underscores are allowed (RFC 8552).

    Raises BadName for empty or long labels, foreign characters and names of over 253 characters (RFC 1035
    section 2.3.4).
    """
    if not text.isascii():
        # Before the letter case is changed, for that would turn a Kelvin sign into a k.
        raise BadName(f"'{shown(text)}' is not a domain name in ASCII: write the A-labels, as in xn--bcher-kva")
    name = text.lower().removesuffix(".")
    if not name or len(name) > 253:
        raise BadName(f"'{shown(text)}' is not a domain name: 1 to 253 characters are allowed")
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            raise BadName(f"'{shown(text)}' is not a domain name: '{shown(label)}' is not a label")
    return name


def hostname(text: str) -> str:
    """Return a host name (RFC 1123 section 2.1: letters, digits, hyphens) as `normalize` does, or raise BadName."""
    name = normalize(text)
    for label in name.split("."):
        if not _HOST_LABEL.fullmatch(label):
            raise BadName(f"'{shown(text)}' is not a host name: '{shown(label)}' has more than a-z, 0-9, '-'")
    if name.rsplit(".", 1)[-1].isdigit():
        raise BadName(f"'{shown(text)}' is not a host name: its last label is a number")
    return name


def is_within(name: str, zone: str) -> bool:
    """Tell whether a normalized name is the zone's own or below it."""
    return name == zone or name.endswith("." + zone)


def parent(name: str) -> str:
    """Return the name without its first label; the empty string above a single label."""
    return name.partition(".")[2]


def absolute(text: str, zone: str) -> str:
    """Read a name that a person typed: as it is when it lies within the zone or ends in a dot, else relative.

    `@` is the zone itself. Raises BadName.
    """
    if text == "@":
        return zone
    if text.endswith("."):
        return normalize(text)
    name = normalize(text)
    return name if is_within(name, zone) else normalize(f"{name}.{zone}")
