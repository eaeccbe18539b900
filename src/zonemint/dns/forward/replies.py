"""An answer of another server, read: what of it belongs to the question, how long it holds, and nothing else of it.

A resolver's answer is believed about the name that was asked for and the aliases that lead on from it, and only as the
answer to that question. Whatever else it brings, such as addresses of others, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers.compiled import compile_answer
from zonemint.dns.answers.foreign import AUTHENTIC, Foreign, Question
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.forward.messages import extended_errors
from zonemint.dns.guard.options import extended_error
from zonemint.dns.wire import WireRecord
from zonemint.dns.zones.records import Owned, RRset

__all__ = ["Elsewhere", "Limits", "Read", "read", "ttl_offsets"]

_ALIASES = 16
_NSEC3 = 50
_PROOFS = frozenset((codes.SOA, codes.NSEC, _NSEC3, codes.RRSIG))
_CONCLUSIVE = frozenset((codes.NOERROR, codes.NXDOMAIN, codes.YXDOMAIN))
_DNSSEC_FAILURES = frozenset((1, 2, *range(5, 13)))
"""Codes of RFC 8914 by which a validating server says that an answer is not to be believed."""
_FILTERED = extended_error(17, "the answer has a private address")


Elsewhere: TypeAlias = Callable[[bytes], bool]
"""Tells whether others than the server that was asked are to be asked for a name (lower-case wire form)."""


def _nowhere(name: bytes) -> bool:
    return False


class Limits(NamedTuple):
    """How long answers are remembered at most, in seconds; allow_private: they may have private addresses."""

    ttl: int
    negative_ttl: int
    allow_private: bool = True


class Read(NamedTuple):
    """What a server said.

    ttl: seconds for which it holds, 0 for this once; conclusive: no other server has to be asked.
    """

    foreign: Foreign
    ttl: int
    conclusive: bool


def read(
    question: Question, reply: bytes, limits: Limits, *, trusted: bool, is_elsewhere: Elsewhere = _nowhere
) -> Read:
    """Read the answer to a question.

    trusted: nobody between the server and us could have set its AD; is_elsewhere: tells of the target of an alias
    whether somebody else is to be asked for it, so that what this server says of it does not count.

    Raises ForeignDataError where it is no DNS message, or says nothing at all to the question.
    """
    error = extended_errors(reply)
    rcode = reply[3] & 15
    if rcode not in _CONCLUSIVE:
        reasons = {int.from_bytes(error[at + 4 : at + 6], "big") for at in _starts(error)}
        return Read(Foreign(rcode, error=error), 0, bool(reasons & _DNSSEC_FAILURES))
    message = reply
    at = 12
    if reply[4:6] == b"\0\1":
        # Pointers lead into the question, whose letter case is none of the client's concern.
        at += len(question.name) + 4
        message = reply[:12] + question.name + reply[at - 4 :]
    answers, at = wire.read_records(message, at, int.from_bytes(reply[6:8], "big"))
    authorities, _ = wire.read_records(message, at, int.from_bytes(reply[8:10], "big"))
    kept, names = _chain(question, message, answers, is_elsewhere)
    leaves = len(names) > 1 and is_elsewhere(names[-1])
    if leaves:
        rcode, authorities = codes.NOERROR, []
    negative = [one for one in authorities if one.type in _PROOFS and one.class_ == codes.IN]
    soa = next((one for one in negative if one.type == codes.SOA and wire.is_within(names[-1], one.name)), None)
    has_data = any(one.type != codes.CNAME and one.name == names[-1] for one in kept) or _asks_for_aliases(question)
    is_open = rcode == codes.NOERROR and len(names) > 1 and not has_data and soa is None
    if rcode == codes.NOERROR and not kept and soa is None and any(one.type == codes.NS for one in authorities):
        raise ForeignDataError("it is no resolver: it names other servers")
    if not limits.allow_private and any(map(_is_private, _addresses(message, kept))):
        return Read(Foreign(codes.NOERROR, error=_FILTERED), min(60, limits.negative_ttl), True)
    answer = Answer(rcode)
    answer.answer = _sets(message, kept, limits.ttl)
    if question.dnssec_ok:
        proofs = [one for one in negative if one.type != codes.SOA or one is soa]
        answer.authority = _sets(message, proofs, limits.ttl)
    elif soa is not None and not has_data:
        answer.authority = _sets(message, [soa], limits.ttl)
    ttl = min([rrset.ttl for _, rrset in (*answer.answer, *answer.authority)], default=0)
    if not has_data and not is_open:
        minimum = int.from_bytes(message[soa.end - 4 : soa.end], "big") if soa is not None else 0
        ttl = min(ttl, minimum, limits.negative_ttl)
        answer.authority = [(owner, RRset(one.type, min(one.ttl, ttl), one.data)) for owner, one in answer.authority]
    tail = compile_answer(question.name, answer).tail
    counts = tuple(sum(len(rrset.data) for _, rrset in section) for section in (answer.answer, answer.authority))
    authentic = trusted and reply[3] & AUTHENTIC != 0
    foreign = Foreign(rcode, tail, (counts[0], counts[1]), tuple(names[1:]), is_open, authentic, False, error)
    return Read(foreign, ttl, True)


def ttl_offsets(name: bytes, foreign: Foreign) -> tuple[tuple[int, int], ...]:
    """Return where in the records the TTLs stand, each with its value."""
    start = 16 + len(name)
    found, _ = wire.read_records(bytes(12) + name + bytes(4) + foreign.tail, start, sum(foreign.counts))
    return tuple([(one.start - start - 6, one.ttl) for one in found])


def _starts(options: bytes) -> list[int]:
    found, at = [], 0
    while at < len(options):
        found.append(at)
        at += 4 + int.from_bytes(options[at + 2 : at + 4], "big")
    return found


def _asks_for_aliases(question: Question) -> bool:
    return question.type in (codes.CNAME, codes.ANY, codes.RRSIG)


def _chain(
    question: Question, message: bytes, answers: Sequence[WireRecord], is_elsewhere: Elsewhere
) -> tuple[list[WireRecord], list[bytes]]:
    """Return the records that belong to the question, and the names from its own along the aliases."""
    names = [question.name]
    kept: list[WireRecord] = []
    rest = [one for one in answers if one.class_ == codes.IN and one.type != codes.OPT]
    while True:
        name = names[-1]
        here = [one for one in rest if one.name == name and _is_wanted(question, one)]
        signed = (codes.DNAME, codes.RRSIG) if question.dnssec_ok else (codes.DNAME,)
        above = [one for one in rest if one.type in signed and _is_above(one, name, message)]
        kept += [one for one in above if one not in kept] + here
        alias = next((one for one in here if one.type == codes.CNAME), None)
        if alias is None or _asks_for_aliases(question):
            return kept, names
        target, end = wire.read_name(message, alias.start)
        if end != alias.end:
            raise ForeignDataError("an alias has more than a name")
        if target.lower() in names or len(names) > _ALIASES:
            raise ForeignDataError("its aliases lead nowhere")
        names.append(target.lower())
        if is_elsewhere(names[-1]):
            return kept, names


def _is_wanted(question: Question, record: WireRecord) -> bool:
    if record.type == codes.RRSIG and question.dnssec_ok:
        return True
    return question.type in (record.type, codes.ANY) or record.type == codes.CNAME


def _is_above(record: WireRecord, name: bytes, message: bytes) -> bool:
    """Tell whether a record is a DNAME, or the signature of one, of a domain that the name lies below."""
    if record.type == codes.RRSIG and message[record.start : record.start + 2] != b"\0\x27":
        return False
    return record.name != name and wire.is_within(name, record.name)


def _sets(message: bytes, found: Sequence[WireRecord], longest: int) -> list[Owned]:
    """Gather records into sets, each with the lowest TTL of its records (RFC 2181 sections 5.2 and 8)."""
    sets: dict[tuple[bytes, int], dict[bytes, None]] = {}
    ttls: dict[tuple[bytes, int], int] = {}
    for one in found:
        key = (one.name, one.type)
        sets.setdefault(key, {})[rdata.uncompressed(one.type, message, one.start, one.end)] = None
        ttls[key] = min(0 if one.ttl >> 31 else one.ttl, ttls.get(key, longest))
    return [(key[0], RRset(key[1], ttls[key], tuple(data))) for key, data in sets.items()]


def _addresses(message: bytes, found: Sequence[WireRecord]) -> list[bytes]:
    return [message[one.start : one.end] for one in found if one.type in (codes.A, codes.AAAA)]


def _is_private(address: bytes) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return not mapped.is_global and not mapped.is_multicast
