"""The wall clock, behind a name that tests can replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

__all__ = ["Clock", "rfc3339", "system_clock"]

Clock = Callable[[], float]
"""Returns the time as seconds since 1970-01-01 UTC."""

system_clock: Clock = time.time


def rfc3339(seconds: float) -> str:
    """Write a time as RFC 3339 in UTC with whole seconds, as ACME objects carry it (RFC 8555 section 7.1.2)."""
    return _written(int(seconds))


@lru_cache(maxsize=1024)
def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
