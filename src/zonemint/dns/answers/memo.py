"""Answers that were given before, and which of them a change of a zone makes untrue."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from zonemint.dns import codes
from zonemint.dns.answers.compiled import Compiled
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.answers.tally import Tally
from zonemint.dns.zones.delta import Delta

__all__ = ["Absent", "Alike", "Known", "Memo", "form_of"]

Known: TypeAlias = tuple[bytes, Tally]
"""An answer without its id, and where it is counted."""

Alike: TypeAlias = tuple[bytes, int, int, tuple[bytes, ...]]
"""What negative answers with the same records have in common: apex, length of the name, rcode, names of the proofs."""

_LASTING = 16_384
"""How many answers about names of the zones are remembered before all are forgotten: some 12 MB."""
_PASSING = 4_096
"""The same for names that anybody can think of: they must not push the others out."""
_LINKS = 4
"""How many names or zones an answer may be remembered under, on average, before all are forgotten."""

_PLACES = 1 << 16
"""Places for names that were asked for once, of which a quarter is taken before all are free again."""

_TREE = frozenset({codes.NS, codes.DNAME})
"""Types that decide about the names below theirs."""
_PROOFS = frozenset({codes.SOA, codes.NSEC, codes.NSEC3})
"""Types that speak of more than their own name: of a zone's serial, or of what is not there."""

_Question = TypeVar("_Question", bound=Hashable)
_Value = TypeVar("_Value")


class Absent(NamedTuple):
    """What is said of any name right below one, of one length, that is not there.

    head: the answer's flags and counts; tail: what follows the question; end: where the name ends in the question;
    names: those that are there, in lower-case wire form; tally: where it is counted.
    """

    head: bytes
    tail: bytes
    end: int
    names: Container[bytes]
    tally: Tally


def form_of(question: bytes) -> bytes:
    """Return a question, without its id and in lower case, without the first label of its name but for the length."""
    return question[:11] + question[11 + question[10] :] if len(question) > 15 else b""


class _Kept(Generic[_Question, _Value]):
    """Answers by question, each with the names or zones that it is made of; what is too much empties it."""

    def __init__(self, most: int) -> None:
        self.known: dict[_Question, _Value] = {}
        self._made_of: dict[bytes, list[_Question]] = {}
        self._links = 0
        self._most = most

    def keep(self, question: _Question, value: _Value, parts: Iterable[bytes]) -> None:
        """Remember an answer until one of its parts changes."""
        if len(self.known) >= self._most or self._links >= self._most * _LINKS:
            self.clear()
        self.known[question] = value
        for part in parts:
            self._links += 1
            if (questions := self._made_of.get(part)) is None:
                self._made_of[part] = [question]
            else:
                questions.append(question)

    def forget(self, part: bytes) -> None:
        """Forget the answers that a name or zone is part of."""
        for question in self._made_of.pop(part, ()):
            self._links -= 1
            self.known.pop(question, None)

    def forget_below(self, apex: bytes) -> None:
        """Forget the answers of which a part ends like this; some may end so by chance."""
        for part in [part for part in self._made_of if part.endswith(apex)]:
            self.forget(part)

    def clear(self) -> None:
        """Forget all."""
        self.known.clear()
        self._made_of.clear()
        self._links = 0


class Memo:
    """What one responder has said; both dictionaries have answers by question, without the ids.

    lasting: about names that are there. They are forgotten when one of the names that took part changes: the one asked
    for, those its aliases lead to, the hosts whose addresses are added, whether they have any or not. passing: about
    names that anybody can think of, forgotten with every change to a zone that was looked into. absent: what is said of
    names that are not there, by the form of the question.
    """

    def __init__(self) -> None:
        self._lasting: _Kept[bytes, Known] = _Kept(_LASTING)
        self._passing: _Kept[bytes, Known] = _Kept(_PASSING)
        self._negative: _Kept[Alike, Compiled] = _Kept(_PASSING)
        self._absent: _Kept[bytes, Absent] = _Kept(_PASSING)
        self.lasting = self._lasting.known
        self.passing = self._passing.known
        self.negative = self._negative.known
        self.absent = self._absent.known
        self._asked = bytearray(_PLACES)
        self._once = 0

    def is_asked_again(self, name: bytes) -> bool:
        """Tell whether a name was asked for lately, as far as is known, and note it.

        In a flood each name comes once, and to remember it would cost as much as to answer.
        """
        place = hash(name) & _PLACES - 1
        if self._asked[place]:
            return True
        self._asked[place] = 1
        self._once += 1
        if self._once > _PLACES // 4:
            self._asked = bytearray(_PLACES)
            self._once = 0
        return False

    def keep_passing(self, question: bytes, known: Known, zones: Sequence[bytes]) -> None:
        """Remember an answer that anybody can ask for, until a zone changes; these are the zones' apexes."""
        self._passing.keep(question, known, zones)

    def keep(self, question: bytes, known: Known, answer: Answer) -> None:
        """Remember an answer to a question whose name is in lower case."""
        parts = answer.names
        if any(rrset.type in _PROOFS for _, rrset in answer.authority):
            # Every change has another serial, so the name of the apex is part of every change.
            parts = [*parts, *answer.zones]
        self._lasting.keep(question, known, parts)

    def keep_negative(self, alike: Alike, compiled: Compiled) -> None:
        """Remember what a zone says of all names of a length that it does not have; its apex comes first."""
        self._negative.keep(alike, compiled, alike[:1])

    def keep_absent(self, question: bytes, absent: Absent, apex: bytes) -> None:
        """Remember what a zone says to questions like this one, as long as the name is not there."""
        self._absent.keep(form_of(question), absent, (apex,))

    def take(self, apex: bytes, delta: Delta | None) -> None:
        """Forget what a change makes untrue: of a zone's records, or of everything at and below an apex."""
        if delta is None:
            # Names may have come to another zone, so what was said of them by any zone may be wrong.
            self._passing.clear()
            self._absent.clear()
            self._negative.forget(apex)
            self._lasting.forget_below(apex)
            return
        touched = delta.touched
        self._passing.forget(apex)
        self._absent.forget(apex)
        self._negative.forget(apex)
        if any(type_ in _TREE for _, type_ in touched):
            self._lasting.forget_below(apex)
            return
        self._lasting.forget(apex)
        for name, _ in touched:
            self._lasting.forget(name)
