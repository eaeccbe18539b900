"""The clients that `zonemint register --for` knows: a client is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zonemint.clients import accounts, certbot
from zonemint.clients.accounts import Registered

__all__ = ["KINDS"]

KINDS: Mapping[str, Callable[[Registered], str]] = {
    "certbot": certbot.tell,
    "json": accounts.tell,
}
"""By kind, the function that makes what stdout gets: a command line, a file's content."""
