"""Commands: a program is run for each event, which it reads from its standard input."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from zonemint.core.errors import Undelivered
from zonemint.hooks.events import Event, encode

__all__ = ["Command"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN = 300  # characters of what it printed that are told
_READ = 65536  # octets of it that are read; a program that prints more goes on printing, to nobody


class Command:
    """One program and its words; `timeout`, in seconds, is for each event, and then its whole group is killed."""

    def __init__(self, words: Sequence[str], *, source: str, timeout: float) -> None:
        self._words = tuple(words)
        self._source = source
        self._timeout = timeout

    @property
    def place(self) -> str:
        """The program; its words may be secrets."""
        return self._words[0]

    async def deliver(self, event: Event, *, now: float) -> str:
        """See Receiver.deliver; exit status 0 is that the event was taken."""
        # The server's own environment may have the password of a database.
        env = {"PATH": _PATH, "LANG": "C.UTF-8", "ZONEMINT_EVENT": event.type, "ZONEMINT_EVENT_ID": event.id}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=env,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise Undelivered(f"{self.place}: {error.strerror}", refused=False) from None
        try:
            async with asyncio.timeout(self._timeout):
                printed = await _talk(process, encode(event, source=self._source) + b"\n")
                status = await process.wait()
        except TimeoutError:
            raise Undelivered(f"{self.place}: it did not end within {self._timeout:g} s", refused=False) from None
        finally:
            # What it has started goes with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        said = _shown(printed)
        if status != 0:
            raise Undelivered(f"{self.place}: exit status {status} {said}".rstrip(), refused=True)
        return said


async def _talk(process: asyncio.subprocess.Process, content: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    # A program that does not read has its reasons.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(content)
        await process.stdin.drain()
    process.stdin.close()
    printed = bytearray()
    while octets := await process.stdout.read(_READ):
        printed += octets[: _READ - len(printed)]
    return bytes(printed)


def _shown(printed: bytes) -> str:
    text = " ".join(printed.decode(errors="replace").split())
    return "".join(one if one.isprintable() else "?" for one in text[-_SHOWN:])
