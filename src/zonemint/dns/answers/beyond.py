"""Answers that our zones begin and others end, and the other way round: one chain of aliases through all of them.

A stub resolver asks once and wants the whole chain. So an alias out of our zones is completed by recursion, an alias of
others into our zones by what those say, and a name that a zone of ours delegates is asked for where it leads.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from zonemint.dns import codes
from zonemint.dns.answers.foreign import Foreign, Question, records, until
from zonemint.dns.answers.lookup import Answer, resolve
from zonemint.dns.answers.services import Later, Recursion, Reply
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import Owned
from zonemint.dns.zones.zone import Asked, Keep, Unread

__all__ = ["Finish", "Way", "go_beyond"]

_CHAIN_LIMIT = 16
"""How many aliases may lead through our zones and others' in one answer."""

Finish: TypeAlias = Callable[[Answer | Foreign], Reply]
"""Makes the reply of what was found."""


class Way(NamedTuple):
    """What stays the same along a chain: where our zones are, who asks others, for what, and what becomes of it."""

    catalog: Catalog
    recursion: Recursion
    type: int
    dnssec_ok: bool
    checking_disabled: bool
    finish: Finish


def go_beyond(way: Way, answer: Answer) -> Reply:
    """Go on where an answer of ours ends, at the name that is `beyond`."""
    assert answer.beyond is not None
    question = Question(answer.beyond, way.type, way.dnssec_ok, way.checking_disabled, answer.servers)
    found = way.recursion(question)
    if isinstance(found, Future):
        return Later(found, lambda: _go_on(way, answer, found.result()))
    return _go_on(way, answer, found)


def _go_on(way: Way, answer: Answer, found: Foreign, asked: Asked | None = None) -> Reply:
    ours = next((name for name in found.targets if way.catalog.find(name, way.type) is not None), None)
    if not answer.answer and ours is None and not found.open:
        return way.finish(found)
    try:
        joined = _join(way, answer, found, ours, asked)
    except Unread as unread:
        return Later(unread.asked.values, partial(_go_on, way, answer, found, unread.asked))
    return way.finish(joined) if joined.beyond is None else go_beyond(way, joined)


def _join(way: Way, answer: Answer, found: Foreign, ours: bytes | None, asked: Asked | None) -> Answer:
    """Add to an answer what others said of the name beyond it, up to an alias that leads to a name of ours."""
    assert answer.beyond is not None
    if found.rcode not in (codes.NOERROR, codes.NXDOMAIN, codes.YXDOMAIN):
        # The aliases are true whether or not anybody knows where they lead, and an empty SERVFAIL would hide them.
        rcode = codes.NOERROR if answer.answer else found.rcode
        return Answer(rcode, bool(answer.answer), answer.answer, keep=Keep.NOT, error=found.error)
    said, negative = records(answer.beyond, found)
    joined = Answer(found.rcode, answer.authoritative and bool(answer.answer), [*answer.answer], keep=Keep.NOT)
    if ours is not None:
        joined.answer += _new(until(said, ours), joined.answer)
        if not _may_go_on(joined.answer, ours):
            return joined
        rest = resolve(way.catalog, ours, way.type, asked, joined.answer, dnssec_ok=way.dnssec_ok)
        rest.authoritative, rest.keep, rest.negative_of = joined.authoritative, Keep.NOT, None
        return rest
    joined.answer += _new(said, joined.answer)
    joined.authority = negative
    if found.open and _may_go_on(joined.answer, found.targets[-1]):
        joined.beyond = found.targets[-1]
    return joined


def _new(found: Sequence[Owned], chain: list[Owned]) -> list[Owned]:
    """Return what a loop has not brought before: no record is in an answer twice (RFC 2181 section 5)."""
    known = {(owner, rrset.type) for owner, rrset in chain}
    return [(owner, rrset) for owner, rrset in found if (owner, rrset.type) not in known]


def _may_go_on(chain: list[Owned], target: bytes) -> bool:
    passed = {owner for owner, rrset in chain if rrset.type == codes.CNAME}
    return target not in passed and len(passed) < _CHAIN_LIMIT
