"""The kinds of values that a setting can have and that TOML has no type for."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from zonemint.core.errors import BadName, ConfigError
from zonemint.core.names import hostname

__all__ = [
    "Seconds",
    "SettingError",
    "check",
    "check_origins",
    "database",
    "endpoint",
    "origin",
    "page",
    "quoted",
    "server",
    "steps",
]

_Value = TypeVar("_Value")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,9})([dhms])")
_DNS = 53
_PORT = re.compile(r"[0-9]{1,5}")
_SITE = re.compile(r"https?://[a-z0-9.-]+(?::[0-9]{1,5})?|https?://\[[0-9a-f:]+\](?::[0-9]{1,5})?")
_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_STEP = re.compile(r'"(?:[^"\\]|\\.)*"|[^.]+')
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]*)(:[0-9]{1,5})?")


class SettingError(ConfigError):
    """A setting has a value that it cannot have: `key` is its dotted name, such as `listen.dns_port`, `said` why.

    Steps of the name with dots in them are in quotes, as in `zones."lab.test".file`.
    """

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(f"{key}: {detail}")
        self.key = key
        self.said = detail


class Seconds(float):
    """A length of time in seconds, written as a whole number and a unit: `90d`, `24h`, `10m`, `5s`."""

    @classmethod
    def parse(cls, text: object) -> Seconds:
        """Read `90d`; raises ValueError."""
        match = _DURATION.fullmatch(text) if isinstance(text, str) else None
        if match is None or int(match[1]) == 0:
            raise ValueError('a length of time is written like "90d", "24h", "10m" or "5s"')
        return cls(int(match[1]) * _UNITS[match[2]])

    def __str__(self) -> str:
        size, unit = next((size, unit) for unit, size in _UNITS.items() if not int(self) % size)
        return f"{int(self) // size}{unit}"


def quoted(name: str) -> str:
    """Write one step of a dotted name as TOML has it: bare, or in quotes."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def steps(key: str) -> list[str]:
    """Take a dotted name apart into its steps, without their quotes."""
    return [_unquoted(step) for step in _STEP.findall(key)]


def _unquoted(step: str) -> str:
    try:
        return str(json.loads(step)) if step.startswith('"') else step
    except ValueError:
        return step


def check(key: str, text: str, read: Callable[[str], _Value]) -> _Value:
    """Read the value of one setting; raises SettingError where `read` raises BadName or ValueError."""
    try:
        return read(text)
    except (BadName, ValueError) as error:
        raise SettingError(key, str(error)) from None


def check_origins(key: str, origins: Sequence[str]) -> None:
    """Raise SettingError for what is no web site's origin (RFC 6454), nor `*`."""
    for site in origins:
        if site != "*" and not _SITE.fullmatch(site):
            raise SettingError(key, f"'{site}' is not an origin, such as https://www.lab.test")


def endpoint(text: str) -> tuple[str, int]:
    """Read `10.0.0.1:53` or `[::1]:53`; raises ValueError."""
    address, _, port = text.rpartition(":")
    if not address or not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise ValueError(f"'{text}' is not an address and a port, such as 10.0.0.1:53 or [::1]:53")
    if address.startswith("["):
        return str(ipaddress.IPv6Address(address[1:].removesuffix("]"))), int(port)
    return str(ipaddress.IPv4Address(address)), int(port)


def server(text: str) -> tuple[str, int]:
    """Read a DNS server: an address, or one with a port as `endpoint` has it; raises ValueError."""
    try:
        return str(ipaddress.ip_address(text)), _DNS
    except ValueError:
        return endpoint(text)


def database(text: str) -> str:
    """Check the URL of a PostgreSQL database, in which libpq allows several hosts; raises ValueError.

    No error repeats a part of it, for that might be the password's.
    """
    try:
        scheme, netloc, path, _, _ = urlsplit(text)
    except ValueError:
        scheme = netloc = path = ""
    hosts = netloc.partition("@")[2] if "@" in netloc else netloc
    is_whole = scheme in ("postgresql", "postgres") and path.strip("/") and all(map(_HOST.fullmatch, hosts.split(",")))
    if not is_whole:
        raise ValueError(
            "it is not the URL of a database, such as postgresql://zonemint@db.lab.test/zonemint; "
            "in a password, @ is written %40, / is %2F, # is %23 and ? is %3F"
        )
    return text


def origin(text: str) -> str:
    """Read an https URL of nothing but a host and perhaps a port, and return it in its one spelling.

    Raises ValueError or BadName. The spelling is the origin's of RFC 6454: lower case, no default port.
    """
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"'{text}' is not an https URL, such as https://ca.lab.test")
    if text.partition("://")[2] != parts.netloc or "@" in parts.netloc:
        raise ValueError(f"'{text}' has more than a host and a port; write it without a path and a trailing slash")
    port = "" if parts.port in (None, 443) else f":{parts.port}"
    return f"https://{_host(parts.hostname)}{port}"


def page(text: str) -> str:
    """Read the URL of a web page; raises ValueError."""
    parts = urlsplit(text)
    is_plain = text.isascii() and text.isprintable() and not set(' <>"') & set(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or not is_plain:
        raise ValueError(f"'{text}' is not the URL of a page, such as https://www.lab.test/ca")
    return text


def _host(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return hostname(text)
    return f"[{address}]" if address.version == 6 else str(address)
