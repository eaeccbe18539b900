"""Ports for servers that a test starts: free ones, which nobody else is given before the server has them."""

from __future__ import annotations

import os
import random
import socket
from contextlib import ExitStack

__all__ = ["free_ports"]

# Below those that the system gives to clients, and to servers that ask for any.
_FIRST, _LAST = 10_000, 32_000
_WORKERS = 16
# Tests run beside each other in several processes, each of which has ports of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", f"gw{os.getpid()}").removeprefix("gw")) % _WORKERS
_left: list[int] = []


def free_ports(count: int) -> list[int]:
    """Find ports of loopback that are free for UDP and TCP; none is given again before all were given once."""
    found: list[int] = []
    mine = range(_FIRST + _WORKER, _LAST, _WORKERS)
    for _ in mine:
        if not _left:
            _left.extend(random.SystemRandom().sample(mine, len(mine)))
        port = _left.pop()
        with ExitStack() as stack:
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")
