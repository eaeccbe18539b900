"""Whom the authority asks for names: DNS servers, or a word for how to find them."""

from __future__ import annotations

from zonemint.config.values import SettingError, check, endpoint

__all__ = ["AUTHORITATIVE", "ROOT_SERVERS", "SYSTEM", "Asked", "check_asked", "endpoints"]

SYSTEM, AUTHORITATIVE = "system", "authoritative"

Asked = str | tuple[str, ...]
"""A server, a list of them, or one of the words."""

ROOT_SERVERS = (
    "198.41.0.4:53",
    "170.247.170.2:53",
    "192.33.4.12:53",
    "199.7.91.13:53",
    "192.203.230.10:53",
    "192.5.5.241:53",
    "192.112.36.4:53",
    "198.97.190.53:53",
    "192.36.148.17:53",
    "192.58.128.30:53",
    "193.0.14.129:53",
    "199.7.83.42:53",
    "202.12.27.33:53",
)
"""The root servers of the internet by IPv4 (IANA's root hints)."""


def check_asked(key: str, asked: Asked) -> None:
    """Raise SettingError unless it is a word, a server or a list of servers; an empty text is nothing set."""
    if asked in ("", SYSTEM, AUTHORITATIVE):
        return
    if not asked:
        raise SettingError(key, "the list of servers is empty")
    for one in (asked,) if isinstance(asked, str) else asked:
        try:
            check(key, one, endpoint)
        except SettingError as error:
            advice = f'; "{SYSTEM}" and "{AUTHORITATIVE}" are the words that stand for servers'
            raise SettingError(key, error.said + advice) from None


def endpoints(asked: Asked) -> tuple[tuple[str, int], ...]:
    """Return the servers of a checked value that is no word."""
    return tuple(map(endpoint, (asked,) if isinstance(asked, str) else asked))
