"""Whoever is told of events."""

from __future__ import annotations

from typing import Protocol

from zonemint.hooks.events import Event

__all__ = ["Receiver"]


class Receiver(Protocol):
    """Takes events, one after the other."""

    @property
    def place(self) -> str:
        """What it is, without a secret, for people."""
        ...

    async def deliver(self, event: Event, *, now: float) -> str:
        """Have an event taken within the time that is set, and return what was answered; raises Undelivered."""
        ...
