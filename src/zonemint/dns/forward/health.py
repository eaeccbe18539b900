"""Whether a server that was silent is there again: it is asked for the root's name servers until it says anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zonemint.core.errors import DnsFailure
from zonemint.dns import codes, wire
from zonemint.dns.answers.foreign import Question
from zonemint.dns.forward.upstream import Upstream

__all__ = ["probe"]

_QUESTION = Question(wire.ROOT, codes.NS)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_WAIT = 1.0


async def probe(upstream: Upstream, told: Callable[[Upstream], None]) -> None:
    """Ask until there is an answer, of whatever rcode, in pauses that grow; `told` is called when there is one."""
    pause = _FIRST_PAUSE
    upstream.probing = True
    try:
        while True:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(_WAIT):
                    await upstream.ask(_QUESTION)
            except (DnsFailure, TimeoutError):
                upstream.counts.probe_failures += 1
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            upstream.fails = 0
            told(upstream)
            return
    finally:
        upstream.probing = False
