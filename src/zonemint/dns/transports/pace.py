"""When a socket is read: as soon as something is there, or at a beat while much comes, so that much is read at once.

A turn of the loop costs more than the answer to a query. Where datagrams come faster than turns, each finds many of
them anyway; a little below that each would find one, and all would be the dearer for it. Network cards do the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from time import perf_counter

__all__ = ["Pace"]

_BEAT = 0.0005
"""Seconds between looks at the socket while much comes: what they cost a query in time, on average half of it."""
_MUCH = 8_000
"""Datagrams in a second from which on there is a beat."""
_FEW = 2
"""Datagrams in one beat with which it ends."""
_TURNS = 32
"""Turns of the loop after which the rate is looked at."""
_BATCHES = 4
"""Times that the socket is read in one beat, when it is full."""

_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_MONOTONIC = 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Timer(ctypes.Structure):
    """An itimerspec (timerfd_settime(2)): interval and first expiry, in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


class Pace:
    """Has a socket read; `serve` reads what waits there, at most `most` datagrams, and returns how many they were."""

    def __init__(self, descriptor: int, serve: Callable[[], int], most: int) -> None:
        self._descriptor = descriptor
        self._serve = serve
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._timer = -1
        self._beats = False
        self._turns = self._seen = 0
        self._since = 0.0

    def start(self) -> None:
        """Read from now on."""
        self._turns = self._seen = 0
        self._since = perf_counter()
        self._loop.add_reader(self._descriptor, self._turn)

    def stop(self) -> None:
        """Read no more."""
        if self._beats:
            self._end_beat()
        self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Give the timer back."""
        if self._timer >= 0:
            os.close(self._timer)
            self._timer = -1

    def _turn(self) -> None:
        self._seen += self._serve()
        self._turns += 1
        if self._turns < _TURNS:
            return
        now = perf_counter()
        # Batches that are full by themselves need no beat.
        much = self._seen > (now - self._since) * _MUCH and self._seen < self._turns * self._most / 2
        self._turns = self._seen = 0
        self._since = now
        if much:
            self._begin_beat()

    def _begin_beat(self) -> None:
        if self._timer < 0:
            if not sys.platform.startswith("linux"):
                return
            self._timer = _libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
            if self._timer < 0:
                return
        self._beats = True
        self._set(_BEAT)
        self._loop.remove_reader(self._descriptor)
        self._loop.add_reader(self._timer, self._beat)

    def _end_beat(self) -> None:
        self._beats = False
        self._set(0)
        self._loop.remove_reader(self._timer)

    def _beat(self) -> None:
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return
        seen = self._serve()
        if seen <= _FEW:
            self._end_beat()
            self.start()
            return
        for _ in range(_BATCHES - 1):
            if seen < self._most:
                break
            seen = self._serve()

    def _set(self, seconds: float) -> None:
        timer = _Timer(0, int(seconds * 1e9), 0, int(seconds * 1e9))
        _libc.timerfd_settime(self._timer, 0, ctypes.byref(timer), None)
