"""Several servers that say the same: which is asked first, when the next one is, too, and which are left out."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from time import perf_counter
from typing import NamedTuple

import structlog

from zonemint.core.errors import DnsFailure, ForeignDataError
from zonemint.dns import codes
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.forward.health import probe
from zonemint.dns.forward.replies import Elsewhere, Limits, Read, read
from zonemint.dns.forward.upstream import NoRoom, Upstream
from zonemint.dns.guard.options import extended_error

__all__ = ["Patience", "Pool"]

_log = structlog.get_logger()
_TRIES = 2
"""How often each server is asked at most: a datagram may have been lost."""
_SILENT = extended_error(22, "no server answered")
_NOBODY = extended_error(0, "there is no server to ask")
_LOOP = extended_error(0, "the servers to ask lead back to this one")


class Patience(NamedTuple):
    """timeout: seconds until the next server is asked as well; deadline: seconds for all; max_fails: see `Pool`."""

    timeout: float = 1.0
    deadline: float = 4.0
    max_fails: int = 2


class Pool:
    """Asks servers by a policy; one that was silent `max_fails` times is left out until a probe finds it again.

    When all are left out, one of them is tried at random.
    """

    def __init__(self, upstreams: Sequence[Upstream], policy: str, patience: Patience, limits: Limits) -> None:
        self.upstreams = tuple(upstreams)
        self.broken = 0
        self._policy = policy
        self._patience = patience
        self._limits = limits
        self._turn = 0
        self._starved = False
        self._tasks: set[asyncio.Task[None]] = set()

    def asks(self, upstream: Upstream) -> bool:
        """Tell whether a server is asked, and not left out."""
        return not upstream.is_loop and upstream.fails < self._patience.max_fails

    async def ask(self, question: Question, is_elsewhere: Elsewhere = lambda name: False) -> Read:
        """Return the first conclusive answer, else the last one that is none, else SERVFAIL that says why.

        is_elsewhere: tells for which names others are to be asked.
        """
        order = self._order()
        if not order:
            return Read(Foreign(codes.SERVFAIL, error=_LOOP if self.upstreams else _NOBODY), 0, False)
        attempts: dict[asyncio.Task[Read], Upstream] = {}
        left = deque(order)
        tries = Counter[Upstream]()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.deadline
        last: Read | None = None
        upstream: Upstream | None = None
        began = 0.0
        try:
            while left or attempts:
                upstream = left.popleft() if left else None
                if upstream is not None:
                    tries[upstream] += 1
                    began = perf_counter()
                    attempts[asyncio.create_task(self._try(upstream, question, is_elsewhere))] = upstream
                rest = end - loop.time()
                wait = rest if upstream is None else min(self._patience.timeout, rest)
                done, _ = await asyncio.wait(attempts, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    found = self._result(attempts.pop(task), task)
                    if found is not None and found.conclusive:
                        return found
                    last = found or last
                if done:
                    continue
                if upstream is not None:
                    if upstream.heard < began:
                        # Who answers others meanwhile is there, and only this answer takes its time.
                        self._failed(upstream, f"no answer within {self._patience.timeout:g} s")
                    if tries[upstream] < _TRIES:
                        left.append(upstream)
                if loop.time() >= end:
                    break
        finally:
            for task in attempts:
                task.cancel()
        return last or Read(Foreign(codes.SERVFAIL, error=_SILENT), 0, False)

    def _result(self, upstream: Upstream, task: asyncio.Task[Read]) -> Read | None:
        try:
            found = task.result()
        except NoRoom as failure:
            if not self._starved:
                _log.error("names of others cannot be asked for", error=str(failure))
            self._starved = True
            return None
        except DnsFailure as failure:
            self._failed(upstream, str(failure))
            return None
        except ForeignDataError as error:
            _log.debug("an answer to a question for others cannot be used", server=str(upstream), error=str(error))
            found = None
        upstream.fails = 0
        self._starved = False
        return found

    async def _try(self, upstream: Upstream, question: Question, is_elsewhere: Elsewhere) -> Read:
        reply = await upstream.ask(question)
        trusted = upstream.is_private_path
        return read(question, reply, self._limits, trusted=trusted, is_elsewhere=is_elsewhere)

    def _order(self) -> list[Upstream]:
        usable = [one for one in self.upstreams if not one.is_loop]
        there = [one for one in usable if self.asks(one)]
        if not there:
            self.broken += bool(usable)
            return [random.choice(usable)] if usable else []  # noqa: S311
        if self._policy == "random":
            random.shuffle(there)
        elif self._policy == "round_robin":
            self._turn += 1
            at = self._turn % len(there)
            there = there[at:] + there[:at]
        return there

    def _failed(self, upstream: Upstream, why: str) -> None:
        upstream.fails += 1
        if upstream.fails == self._patience.max_fails:
            _log.warning("a server for other names does not answer, others are asked", server=str(upstream), error=why)
        if not upstream.probing:
            upstream.probing = True
            self._run(probe(upstream, self._is_back))

    def _is_back(self, upstream: Upstream) -> None:
        _log.info("a server for other names answers again", server=str(upstream))

    def _run(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop asking, and close the connections."""
        for task in self._tasks:
            task.cancel()
        for upstream in self.upstreams:
            upstream.close()
