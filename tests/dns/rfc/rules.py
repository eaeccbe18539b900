"""How the tables of this folder are written: zones, a question, and the whole reply that a rule demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Rule", "Table"]


@dataclass(frozen=True)
class Rule:
    """A question and its reply.

    question: name and type, then `edns=SIZE`, `do`, `tcp`, `rd` where they matter; head: the rcode, then the flags that
    are set, of `aa`, `tc`, `rd`; the sections as lines `owner ttl type data`, the answer in its order. Names are
    relative to the table's origin, `@` is the origin, and a final dot makes them absolute. counts: how many records
    each section has, where they are too many to write down.
    """

    question: str
    head: str
    answer: Sequence[str] = ()
    authority: Sequence[str] = ()
    additional: Sequence[str] = ()
    counts: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Table:
    """The rules of one RFC, by section and what they say.

    zones: zone files by origin; refused: zones that must not load, by the rule, and the words of the error.
    """

    origin: str
    zones: Mapping[str, str]
    rules: Mapping[str, Rule]
    refused: Mapping[str, tuple[str, str]] | None = None
