"""Mistakes of ours that a message brings to light: they are told, and nobody else goes without an answer for them."""

from __future__ import annotations

from itertools import count

import structlog

__all__ = ["tell"]

_log = structlog.get_logger()
_numbers = count(1)


def tell(**facts: str) -> None:
    """Log the exception that is being handled: the first, second, fourth, eighth ... of the process.

    Whoever has found out how to provoke one can send any number of them.
    """
    number = next(_numbers)
    if not number & (number - 1):
        _log.exception("a DNS message met a mistake of ours; please report it", number=number, **facts)
