"""Who may have whole zones, as the settings say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

from zonemint.core.names import normalize
from zonemint.core.networks import Network, networks

__all__ = ["Grants"]

_KEY = "key:"


class Grants(NamedTuple):
    """Who may have a zone: networks, and names of keys whose holders may wherever they are."""

    networks: tuple[Network, ...] = ()
    keys: frozenset[str] = frozenset()

    @classmethod
    def read(cls, texts: Sequence[str]) -> Self:
        """Read `192.0.2.0/24`, `private`, `any` and `key:NAME`; raises ValueError, BadName."""
        keys = [normalize(text.removeprefix(_KEY)) for text in texts if text.startswith(_KEY)]
        return cls(networks([text for text in texts if not text.startswith(_KEY)]), frozenset(keys))
