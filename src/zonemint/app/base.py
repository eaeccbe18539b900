"""What every role of a server stands on."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from zonemint.config import Config, DataDir
from zonemint.core.clock import Clock
from zonemint.store.opening import Store

__all__ = ["Base"]


@dataclass(frozen=True, slots=True)
class Base:
    """Settings, store and clock; `address` is what we advertise, `stack` stops in reverse what was started."""

    config: Config
    data: DataDir
    db: Store
    clock: Clock
    address: str
    stack: AsyncExitStack

    def has(self, role: str) -> bool:
        """Tell whether a role runs here."""
        return role in self.config.roles
