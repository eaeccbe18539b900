"""The resolver: what is remembered, what is being asked, and what is asked of others now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import NamedTuple

from zonemint.dns import codes, wire
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.forward.cache import Cache, Entry, Key, key_of
from zonemint.dns.forward.pool import Pool
from zonemint.dns.forward.replies import Read
from zonemint.dns.forward.routes import Routes
from zonemint.dns.forward.special import SpecialNames
from zonemint.dns.guard.options import extended_error

__all__ = ["Policy", "Resolver"]

_FAILURE_TTL = 5
"""Seconds for which a failure is remembered (RFC 9520 section 3.2)."""
_RETRY = 30.0
"""Seconds in which nobody is asked again for what is given though its time is over (RFC 8767 section 5)."""
_PATIENCE = 1.8
"""Seconds after which a client is given such an answer though somebody may still answer (the same)."""
_POPULAR = 3
"""How often an answer was given that is asked for anew before its time is over."""
_SHARED = 1024
"""How many clients may wait for one question."""

_REFUSED = Foreign(codes.REFUSED, error=extended_error(18, "the settings have nobody asked for this name"))
_BUSY = Foreign(codes.SERVFAIL, error=extended_error(0, "too many questions are under way"))
_LOOP = Foreign(codes.SERVFAIL, error=extended_error(0, "a question of ours has come back to us"))
_STALE = extended_error(3)
_STALE_DENIAL = extended_error(19)


class Policy(NamedTuple):
    """How much is asked: questions under way, and whether popular answers are asked for before their time is over."""

    max_concurrent: int = 1000
    prefetch: bool = True


class _Asked(NamedTuple):
    """A question under way, and how many wait for it."""

    answer: asyncio.Future[Foreign]
    waiting: list[None]


class Resolver:
    """Answers questions about names that are in none of our zones; it is the `Recursion` of responders.

    delegated: makes the servers of packed addresses, for names that a zone of ours delegates.
    """

    def __init__(
        self,
        routes: Routes,
        cache: Cache,
        policy: Policy,
        *,
        special: SpecialNames | None,
        delegated: Callable[[tuple[bytes, ...]], Pool],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.routes = routes
        self.cache = cache
        self._policy = policy
        self._special = special
        self._delegated = delegated
        self._clock = clock
        self._under_way: dict[Key, _Asked] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._markers: dict[bytes, Callable[[], None]] = {}

    def __call__(self, question: Question) -> Foreign | asyncio.Future[Foreign]:
        """Answer a question: at once what is known, later what has to be asked."""
        key = key_of(question)
        now = self._clock()
        entry = self.cache.get(key, now)
        if entry is None:
            return self._missing(key, question)
        counts = self.cache.counts
        if now < entry.until:
            if entry.foreign.rcode == codes.NOERROR and entry.foreign.counts[0]:
                counts.hits_success += 1
            else:
                counts.hits_denial += 1
            if now >= entry.refresh and entry.hits >= _POPULAR and self._policy.prefetch:
                self._prefetch(key, question)
            return entry.at(now)
        if now < entry.retry:
            return self._stale(entry, now)
        asked = self._missing(key, question)
        if isinstance(asked, Foreign):
            return asked if asked.rcode != codes.SERVFAIL else self._stale(entry, now)
        return self._with_stale(asked, entry)

    def _missing(self, key: Key, question: Question) -> Foreign | asyncio.Future[Foreign]:
        """Join those who wait for a question, or ask it."""
        if (asked := self._under_way.get(key)) is not None:
            self.cache.counts.shared += 1
            if len(asked.waiting) >= _SHARED:
                return _BUSY
            asked.waiting.append(None)
            return asked.answer
        if (seen := self._markers.get(question.name)) is not None:
            seen()
            return _LOOP
        suffix, pool = self.routes.find(question.name)
        if self._special is not None and not question.servers:
            zone = self._special.find(question.name)
            if zone is not None and len(zone) > len(suffix):
                return self._special.answer(zone, question.name, question.type)
        self.cache.counts.misses += 1
        question, pool = self._whom(question, suffix, pool)
        if pool is None:
            return _REFUSED
        if len(self._under_way) >= self._policy.max_concurrent:
            self.cache.counts.rejected += 1
            return _BUSY
        return self._ask(key, question, pool)

    def _whom(self, question: Question, suffix: bytes, pool: Pool | None) -> tuple[Question, Pool | None]:
        """Return whom to ask: the servers of a suffix in the settings, else those that a zone of ours delegates to."""
        if not question.servers:
            return question, pool
        if suffix != wire.ROOT:
            return question._replace(servers=()), pool
        return question, self._delegated(question.servers)

    def _prefetch(self, key: Key, question: Question) -> None:
        if key not in self._under_way and len(self._under_way) < self._policy.max_concurrent // 2:
            question, pool = self._whom(question, *self.routes.find(question.name))
            if pool is not None:
                self.cache.counts.prefetches += 1
                self._ask(key, question, pool)

    def _ask(self, key: Key, question: Question, pool: Pool) -> asyncio.Future[Foreign]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Foreign] = loop.create_future()
        self._under_way[key] = _Asked(answer, [None])
        task = loop.create_task(self._settle(key, question, pool, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    async def _settle(self, key: Key, question: Question, pool: Pool, answer: asyncio.Future[Foreign]) -> None:
        foreign = Foreign(codes.SERVFAIL)
        try:
            found = await pool.ask(question, partial(self.routes.is_elsewhere, pool))
            foreign = self._keep(key, question, found)
        finally:
            del self._under_way[key]
            answer.set_result(foreign)

    def _keep(self, key: Key, question: Question, found: Read) -> Foreign:
        """Remember what was said, or for a moment that nobody said anything."""
        now = self._clock()
        if found.conclusive and found.foreign.rcode in (codes.NOERROR, codes.NXDOMAIN, codes.YXDOMAIN):
            if found.ttl:
                self.cache.put(key, question.name, found.foreign, found.ttl, now)
            return found.foreign
        failure = Foreign(codes.SERVFAIL, error=found.foreign.error)
        entry = self.cache.get(key, now)
        if entry is None:
            self.cache.put(key, question.name, failure, _FAILURE_TTL, now)
        elif now >= entry.until:
            entry.retry = now + _RETRY
        return failure

    def _with_stale(self, asked: asyncio.Future[Foreign], entry: Entry) -> asyncio.Future[Foreign]:
        """Wait a little for an answer, then take the one whose time is over."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Foreign] = loop.create_future()

        def take(found: Foreign | None) -> None:
            if not answer.done():
                timer.cancel()
                failed = found is None or found.rcode == codes.SERVFAIL
                answer.set_result(self._stale(entry, self._clock()) if failed or found is None else found)

        timer = loop.call_later(_PATIENCE, take, None)
        asked.add_done_callback(lambda done: take(done.result()))
        return answer

    def _stale(self, entry: Entry, now: float) -> Foreign:
        self.cache.counts.stale += 1
        found = entry.at(now)
        error = _STALE_DENIAL if found.rcode == codes.NXDOMAIN else _STALE
        return Foreign(found.rcode, found.tail, found.counts, found.targets, found.open, error=error)

    def watch_for(self, name: bytes, seen: Callable[[], None]) -> Callable[[], None]:
        """Have `seen` called when a question for a name comes to us; the returned function ends that."""
        self._markers[name] = seen
        return lambda: self._markers.pop(name, None) and None

    def close(self) -> None:
        """Stop asking."""
        for task in self._tasks:
            task.cancel()
        for _, pool in self.routes.pools():
            pool.close()
