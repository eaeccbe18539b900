"""The differences between us and others that are known, each with a rule that takes it away from a pair of replies.

docs/dns-differences.md says of each who is right, and by which section of which RFC. A rule is as narrow as it can be:
what it does not speak of has still to be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import dns.name

from tests.dns.differential.replies import Reply, RRset
from tests.dns.differential.worlds import Question

__all__ = ["DIFFERENCES", "Case", "Difference", "explain"]

_NONE: frozenset[RRset] = frozenset()


class Case(Protocol):
    """A question, and what can be known of it besides the two replies."""

    question: Question
    limit: int
    """How many bytes a reply may have."""
    origins: Sequence[str]
    """The zones that are served, with their final dots."""

    def has(self, origin: str, name: str) -> bool:
        """Tell whether a name stands in our zone of that origin, be it with nothing but others below it."""

    def zone_of(self, name: str, type_: str) -> str | None:
        """Return the origin of our zone for a name and a type; None outside."""

    def ask(self, name: str, type_: str) -> Reply:
        """Return our whole answer to another question."""

    def ask_alone(self, name: str, type_: str) -> Reply:
        """Do so with the zone of the case's question as our only one."""

    def alone(self) -> Reply:
        """Return our answer to the case's question itself, with its zone as our only one."""


Pair = tuple[Reply, Reply]
"""Our reply and theirs."""


@dataclass(frozen=True)
class Difference:
    """who: of PROGRAMS; rule: returns the pair without the difference, or as it was where there is none."""

    who: frozenset[str]
    rule: Callable[[Case, Reply, Reply], Pair]


def _target(alias: RRset) -> str:
    return next(iter(alias.data))


def _is_below(name: str, owner: str) -> bool:
    return owner == "." or name == owner or name.endswith("." + owner)


def _is_referral(reply: Reply) -> bool:
    types = {rrset.type for rrset in reply.authority}
    return "NS" in types and "SOA" not in types


def _negative(case: Case, origin: str) -> frozenset[RRset]:
    """Return the SOA of a zone as it is in negative answers."""
    return frozenset(rrset for rrset in case.ask(origin, "TYPE65402").authority if rrset.type == "SOA")


def _proofs(reply: Reply) -> frozenset[RRset]:
    return frozenset(rrset for rrset in reply.authority if rrset.type in {"NSEC", "NSEC3"})


def _whole(case: Case, ours: Reply) -> Reply:
    """Return what ours would be if it had room."""
    if not ours.truncated:
        return ours
    return replace(case.ask(case.question.name, case.question.type), dnssec_ok=ours.dnssec_ok)


def _followed(case: Case, reply: Reply) -> list[RRset]:
    """List the CNAMEs of an answer that lead on: not what was asked for, and under ANY only those made by a DNAME."""
    type_ = case.question.type
    pairs = zip((None, *reply.answer), reply.answer, strict=False)
    return [
        rrset
        for before, rrset in pairs
        if rrset.type == "CNAME" and type_ != "CNAME" and (type_ != "ANY" or (before and before.type == "DNAME"))
    ]


def _edge(case: Case, reply: Reply) -> int | None:
    """Return how many record sets of an answer come before its chain leaves the zone that it began in."""
    home = case.zone_of(case.question.name, case.question.type)
    for rrset in _followed(case, reply):
        if case.zone_of(_target(rrset), case.question.type) != home:
            return reply.answer.index(rrset) + 1
    return None


def _a_chain_stays_in_its_zone(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if _edge(case, _whole(case, ours)) is None:
        return ours, theirs
    alone = case.alone()
    if alone.truncated and not theirs.truncated:
        whole = case.ask_alone(case.question.name, case.question.type)
        alone = replace(whole, dnssec_ok=ours.dnssec_ok) if whole.size > case.limit else alone
    return alone, theirs


def _a_chain_ends_at_the_edge(case: Case, ours: Reply, theirs: Reply) -> Pair:
    whole = _whole(case, ours)
    edge = _edge(case, whole)
    if edge is None:
        return ours, theirs
    # Of wildcards on the way there may be proofs.
    proofs = _proofs(whole) & _proofs(theirs)
    cut = replace(whole, rcode="NOERROR", answer=whole.answer[:edge], authority=proofs, additional=_NONE)
    home = case.zone_of(case.question.name, case.question.type)
    if case.question.type == "DS" and home is not None and _target(whole.answer[edge - 1]) == home:
        cut = replace(cut, authority=_negative(case, home) | (_proofs(theirs)))
    return replace(cut, truncated=ours.truncated and theirs.truncated), theirs


def _any_ends_at_a_dname(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if case.question.type != "ANY" or not ours.answer or ours.answer[0].type != "DNAME" or ours.rcode == "YXDOMAIN":
        return ours, theirs
    return replace(ours, rcode="NOERROR", answer=ours.answer[:2], authority=_NONE, additional=_NONE), theirs


def _loops(case: Case, reply: Reply) -> bool:
    aliases = _followed(case, reply)
    return bool(aliases) and _target(aliases[-1]) in {rrset.owner for rrset in aliases}


def _a_loop_is_a_failure(case: Case, ours: Reply, theirs: Reply) -> Pair:
    return (replace(ours, rcode="SERVFAIL"), theirs) if _loops(case, _whole(case, ours)) else (ours, theirs)


def _a_record_comes_twice(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if not theirs.additional and not any(rrset.type in {"CNAME", "DNAME"} for rrset in theirs.answer):
        return ours, theirs
    return ours, replace(theirs, repeats=False)


def _an_alias_has_no_nsec(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if case.question.type != "NSEC" or ours.truncated:
        return ours, theirs
    before = ""
    for index, rrset in enumerate(ours.answer):
        if rrset.type == "CNAME" and before != "DNAME":
            # Knot takes the alias for one of the first zone, if that has it too.
            homes = {case.zone_of(name, "NSEC") for name in (rrset.owner, case.question.name)}
            negatives = [_negative(case, home) for home in homes if home is not None]
            negative = next((one for one in negatives if one < theirs.authority), negatives[0]) | _proofs(theirs)
            cut = replace(ours, rcode="NOERROR", answer=ours.answer[:index], authority=negative, additional=_NONE)
            return cut, theirs
        before = rrset.type
    return ours, theirs


def _name_servers_of_positive_answers(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if not (theirs.answer and theirs.authoritative and _is_referral(theirs)) or _is_referral(ours):
        return ours, theirs
    (servers,) = [rrset for rrset in theirs.authority if rrset.type == "NS"]
    if servers.owner != case.zone_of(theirs.answer[-1].owner, case.question.type):
        return ours, theirs
    left = {rrset for rrset in theirs.additional if rrset.owner not in servers.data or rrset in ours.additional}
    return ours, replace(theirs, authority=theirs.authority - {servers}, additional=frozenset(left))


def _more_proofs(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if not _proofs(ours) < _proofs(theirs):
        return ours, theirs
    return ours, replace(theirs, authority=theirs.authority - _proofs(theirs) | _proofs(ours))


def _a_zone_exists_above(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """NSD takes the names of a zone that it serves for names of the zone above, where nobody delegates it."""
    last = dns.name.from_text(_last_name(case, ours))
    home = case.zone_of(str(last), case.question.type)
    if home is None or theirs.authority - _proofs(theirs) != _negative(case, home):
        return ours, theirs
    for origin in map(dns.name.from_text, case.origins):
        shared = next(name for name in _upwards(last) if origin.is_subdomain(name))
        is_missing = _is_below(str(shared), home) and not case.has(home, str(shared))
        if is_missing and theirs.answer == ours.answer[: len(theirs.answer)]:
            return replace(theirs, dnssec_ok=ours.dnssec_ok), theirs
    return ours, theirs


def _upwards(name: dns.name.Name) -> Iterator[dns.name.Name]:
    yield name
    while name != dns.name.root:
        name = name.parent()
        yield name


def _ds_is_not_followed(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """NSD follows no alias for DS where the alias stands at the apex of another zone that it serves."""
    if case.question.type != "DS":
        return ours, theirs
    for index, rrset in enumerate(ours.answer):
        home = case.zone_of(rrset.owner, "DS")
        if rrset.type == "CNAME" and home is not None and case.zone_of(rrset.owner, "A") == rrset.owner != home:
            authority = _negative(case, home) | _proofs(theirs)
            return replace(ours, rcode="NOERROR", answer=ours.answer[:index], authority=authority), theirs
    return ours, theirs


def _last_name(case: Case, ours: Reply) -> str:
    """Return the name that a chain ends with."""
    followed = _followed(case, ours)
    return _target(followed[-1]) if followed else case.question.name.lower()


def _is_made_by_an_empty_wildcard(case: Case, ours: Reply) -> bool:
    """Tell whether the source of synthesis for the last name is an empty non-terminal."""
    last = dns.name.from_text(_last_name(case, ours))
    home = case.zone_of(str(last), case.question.type)
    if home is None or case.has(home, str(last)):
        return False
    encloser = next(name for name in _upwards(last) if case.has(home, str(name)))
    source = f"*.{encloser}"
    return case.has(home, source) and not case.ask(source, "ANY").answer


def _a_wildcard_without_data(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """NSD finds nothing where the source of synthesis is an empty non-terminal."""
    if (ours.rcode, theirs.rcode) != ("NOERROR", "NXDOMAIN") or not _is_made_by_an_empty_wildcard(case, ours):
        return ours, theirs
    proofs = ours.authority - _proofs(ours) | _proofs(theirs)
    return replace(ours, rcode="NXDOMAIN", authority=proofs), theirs


def _is_true(case: Case, rrset: RRset) -> bool:
    """Tell whether we, too, say this of its owner, be it by a wildcard or below a cut, and signed or not."""
    if rrset.type in {"RRSIG", "NSEC3"}:
        return True  # neither has a set of its own that could be asked for (RFC 5155 section 7.2.8)
    replies = [ask(rrset.owner, rrset.type) for ask in (case.ask, case.ask_alone)]
    ours = [one for reply in replies for one in (*reply.answer, *reply.authority, *reply.additional)]
    return replace(rrset, signatures=frozenset()) in [replace(one, signatures=frozenset()) for one in ours]


def _which_records_are_added(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """Leave out what only one of the two adds, but for the glue of a referral."""
    cuts = [rrset.owner for rrset in ours.authority if rrset.type == "NS"] if _is_referral(ours) else []
    optional = {r for r in ours.additional ^ theirs.additional if not any(_is_below(r.owner, cut) for cut in cuts)}
    if not all(_is_true(case, rrset) for rrset in optional):
        return ours, theirs
    return (
        replace(ours, additional=ours.additional - optional),
        replace(theirs, additional=theirs.additional - optional),
    )


def _which_records_any_gets(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if case.question.type != "ANY" or not ours.answer or not ours.authoritative or ours.rcode != "NOERROR":
        return ours, theirs
    if theirs.truncated or (theirs.answer and all(_is_true(case, rrset) for rrset in theirs.answer)):
        return replace(ours, answer=theirs.answer, additional=theirs.additional, truncated=theirs.truncated), theirs
    return ours, theirs


def _what_is_left_of_a_truncated_reply(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if not (ours.truncated and theirs.truncated):
        return ours, theirs
    return ours, replace(theirs, answer=ours.answer, authority=ours.authority, additional=ours.additional)


def _glue_that_does_not_fit(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if theirs.truncated or not (ours.truncated or 2 * ours.size > case.limit):
        return ours, theirs
    whole = case.ask(case.question.name, case.question.type)
    if not _is_referral(whole) or theirs.authority != whole.authority or not theirs.additional < whole.additional:
        return ours, theirs
    return replace(theirs, dnssec_ok=ours.dnssec_ok), theirs


def _longer_and_truncated(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """BIND writes some names in full, NSD gives more proofs than are needed: so theirs comes to the limit sooner."""
    if ours.truncated or not theirs.truncated or 2 * ours.size < case.limit:
        return ours, theirs
    return ours, replace(
        theirs, truncated=False, answer=ours.answer, authority=ours.authority, additional=ours.additional
    )


def _longer_than_theirs(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """Take our whole reply where it is truncated and theirs, of nearly as many bytes, is not."""
    whole = _whole(case, ours)
    if not ours.truncated or theirs.truncated or whole.size <= case.limit or 2 * theirs.size < whole.size:
        return ours, theirs
    return whole, theirs


def _half_a_proof(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """Knot and BIND leave out the proof that a wildcard has no data, where it has nothing but names below it."""
    if (ours.rcode, theirs.rcode) != ("NOERROR", "NOERROR") or not _proofs(theirs) < _proofs(ours):
        return ours, theirs
    if not any(rrset.type == "SOA" for rrset in ours.authority) or not _is_made_by_an_empty_wildcard(case, ours):
        return ours, theirs
    return replace(ours, authority=ours.authority - _proofs(ours) | _proofs(theirs)), theirs


def _no_proof_for_an_asterisk(case: Case, ours: Reply, theirs: Reply) -> Pair:
    """Knot takes a name that begins with an asterisk for the wildcard itself."""
    names = {case.question.name.lower(), *(rrset.owner for rrset in ours.answer), _last_name(case, ours)}
    if not any(name.startswith("*.") for name in names):
        return ours, theirs
    if not _proofs(theirs) < _proofs(ours):
        return ours, theirs
    return replace(ours, authority=ours.authority - _proofs(ours) | _proofs(theirs)), theirs


def _proofs_behind_a_dname(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if not any(rrset.type == "DNAME" for rrset in ours.answer):
        return ours, theirs
    return replace(ours, authority=ours.authority - _proofs(ours) | _proofs(theirs)), theirs


def _nsec_at_a_cut(case: Case, ours: Reply, theirs: Reply) -> Pair:
    if case.question.type != "NSEC" or not _is_referral(ours) or not theirs.answer:
        return ours, theirs
    (cut,) = [rrset.owner for rrset in ours.authority if rrset.type == "NS"]
    last = theirs.answer[-1]
    if last.type != "NSEC" or last.owner != cut or theirs.answer[:-1] != ours.answer:
        return ours, theirs
    return replace(theirs, dnssec_ok=ours.dnssec_ok), theirs


_ALL = frozenset({"nsd", "knotd", "named"})
_NSD, _KNOT, _BIND = (frozenset({who}) for who in ("nsd", "knotd", "named"))

DIFFERENCES: Mapping[str, Difference] = {
    "Glue that does not fit": Difference(_NSD | _BIND, _glue_that_does_not_fit),
    "Shorter, and so not truncated": Difference(_ALL, _longer_than_theirs),
    "ANY below a DNAME": Difference(_BIND, _any_ends_at_a_dname),
    "A loop of aliases is a failure": Difference(_BIND, _a_loop_is_a_failure),
    "A chain stays in its zone": Difference(_KNOT, _a_chain_stays_in_its_zone),
    "A chain ends at the edge of its zone": Difference(_BIND, _a_chain_ends_at_the_edge),
    "NSEC of an alias": Difference(_KNOT | _BIND, _an_alias_has_no_nsec),
    "A record comes twice": Difference(_NSD | _KNOT, _a_record_comes_twice),
    "DS at an alias": Difference(_NSD, _ds_is_not_followed),
    "Names of a zone that nobody delegates": Difference(_NSD, _a_zone_exists_above),
    "A wildcard without data": Difference(_NSD, _a_wildcard_without_data),
    "Name servers of positive answers": Difference(_NSD, _name_servers_of_positive_answers),
    "Longer, and so truncated": Difference(_ALL, _longer_and_truncated),
    "More proofs than needed": Difference(_NSD, _more_proofs),
    "Proofs behind a DNAME": Difference(_NSD, _proofs_behind_a_dname),
    "No proof for an asterisk": Difference(_KNOT, _no_proof_for_an_asterisk),
    "NSEC at a cut": Difference(_BIND, _nsec_at_a_cut),
    "Half a proof of an empty wildcard": Difference(_KNOT | _BIND, _half_a_proof),
    "Which records ANY gets": Difference(_ALL, _which_records_any_gets),
    "What is left of a truncated reply": Difference(_ALL, _what_is_left_of_a_truncated_reply),
    "Which records are added": Difference(_ALL, _which_records_are_added),
}
"""By the heading that they have in docs/dns-differences.md, in the order in which their rules are tried."""


def explain(case: Case, who: str, ours: Reply, theirs: Reply) -> tuple[Pair, list[str]]:
    """Take all known differences away; return what is left of the replies, and the names of those that there were."""
    found = []
    for name, difference in DIFFERENCES.items():
        if who in difference.who:
            before = (ours, theirs)
            ours, theirs = difference.rule(case, ours, theirs)
            if (ours, theirs) != before:
                found.append(name)
    return (replace(ours, size=0), replace(theirs, size=0)), found
