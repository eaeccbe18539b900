"""The servers of a run, and who kills them."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.program import ENV
from tests.crash.ledger import Ledger
from tests.server import Ports, words_of

__all__ = ["Node", "keep_killing"]

_START = 60.0  # seconds
_RUN = (0.02, 2.5)  # seconds, from and to, that a server runs before it is killed


@dataclass(slots=True)
class Node:
    """One `zonemint up`, on a folder and ports of its own; `words` are further options. It is killed, never stopped."""

    folder: Path
    words: Sequence[str] = ()
    ports: Ports = field(default_factory=Ports.free)
    _process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        """What all its servers have said."""
        return self.folder.with_name(f"{self.folder.name}.log")

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.spawn()
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(_START):
            async for line in self._process.stdout:
                if line.startswith(b"ready"):
                    return
        raise AssertionError(f"ended before ready: {self.log.read_text()[-2000:]}")

    async def spawn(self) -> None:
        """Start it, and no more."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *words_of(self.folder, self.ports),
                *self.words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=ENV,
            )

    async def kill(self) -> None:
        """End it as a power cut would; it must not have ended before."""
        assert self._process is not None
        ended = self._process.returncode
        assert ended is None, f"the server ended by itself with {ended}: {self.log.read_text()[-2000:]}"
        self._process.kill()
        assert await self._process.wait() == -signal.SIGKILL

    async def end(self) -> None:
        """See that it runs no more, whether or not it does."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()


async def keep_killing(nodes: Sequence[Node], ledger: Ledger, rng: random.Random, stop: asyncio.Event) -> None:
    """Kill one server after the other, at any moment, some of them while they start; all run at the end."""
    while not stop.is_set():
        await asyncio.sleep(rng.uniform(*_RUN))
        node = rng.choice(nodes)
        await node.kill()
        ledger.counts["kills"] += 1
        while rng.random() < 0.25:
            await node.spawn()
            await asyncio.sleep(rng.uniform(0.0, 0.8))
            await node.kill()
            ledger.counts["kills during a start"] += 1
        await node.start()
