"""Aliases followed by ourselves, across zones and their resolvers, each hop on record."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.core.names import is_within
from zonemint.validation.method import Tell
from zonemint.validation.resolver import Answer, Resolver, Rr

__all__ = ["CHAIN", "Found", "follow"]

CHAIN = 8
"""Aliases that are followed."""

_LONGEST_NAME = 253


class Found(NamedTuple):
    """Where a name's aliases led: every name passed, the last answer, and what it has of the type asked for.

    `problem` says why the end was not reached, else it is empty. An rcode other than NOERROR is in `answer`.
    """

    path: tuple[str, ...]
    answer: Answer
    values: tuple[str, ...]
    problem: str = ""

    @property
    def asked(self) -> str:
        """Say what was asked of whom, as the beginning of a sentence."""
        alias = "".join(f", a CNAME to {name}" for name in self.path[1:])
        return f"{self.path[0]}{alias}, asked of {self.answer.server}"


async def follow(resolver: Resolver, name: str, type_: str, tell: Tell) -> Found:
    """Ask for records of one type, CNAMEs and DNAMEs followed (RFC 1034 section 3.6.2, RFC 6672).

    A server may answer the alias and its target at once or the alias alone; each question is told.
    Raises DnsFailure.
    """
    path = [name]
    while True:
        answer = await resolver(path[-1], type_, tell)
        passed = _passed(path[-1], answer.records)
        path += passed
        values = tuple(one.value for one in answer.records if one.type == type_ and one.name == path[-1])
        problem = ""
        if not values and passed:
            if len(path[-1]) > _LONGEST_NAME:
                problem = "a name of over 253 characters"
            elif len(path) - 1 > CHAIN:
                problem = f"more than {CHAIN} CNAMEs"
            else:
                continue
        return Found(tuple(path), answer, values, problem)


def _passed(name: str, records: tuple[Rr, ...]) -> list[str]:
    """Walk the aliases of one answer from a name; return the names passed."""
    aliases = {one.name: one.value for one in records if one.type == "CNAME"}
    passed: list[str] = []
    while len(passed) < CHAIN:
        target = aliases.pop(name, None) or _by_dname(name, records)
        if target is None:
            break
        name = target
        passed.append(name)
    return passed


def _by_dname(name: str, records: tuple[Rr, ...]) -> str | None:
    """Return where a DNAME above a name sends it, for the server that does not add the CNAME."""
    for one in records:
        if one.type == "DNAME" and one.name != name and is_within(name, one.name):
            return f"{name.removesuffix(one.name)}{one.value}"
    return None
