"""What a server answers while its store cannot."""

from __future__ import annotations

import urllib.error
from typing import NamedTuple

from tests.server import Running

__all__ = ["Answer", "ready", "register", "update"]


class Answer(NamedTuple):
    """Status, the header Retry-After, and the text."""

    status: int
    retry_after: str | None
    text: str


def ready(server: Running) -> Answer:
    """Ask whether it is ready."""
    try:
        return Answer(200, None, server.fetch("/ready").decode())
    except urllib.error.HTTPError as error:
        return _refused(error)


def register(server: Running) -> Answer:
    """Ask the acme-dns API for an account."""
    return _post(server, "/register", b"{}", {})


def update(server: Running, account: dict[str, str], value: str) -> Answer:
    """Set a value of an account."""
    body = f'{{"subdomain": "{account["subdomain"]}", "txt": "{value}"}}'.encode()
    return _post(server, "/update", body, {"X-Api-User": account["username"], "X-Api-Key": account["password"]})


def _post(server: Running, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    try:
        return Answer(200, None, server.get(path, body=body, headers=headers).decode())
    except urllib.error.HTTPError as error:
        return _refused(error)


def _refused(error: urllib.error.HTTPError) -> Answer:
    with error:
        return Answer(error.code, error.headers["Retry-After"], error.read().decode())
