"""The eleven steps from a name to its certificate, each told from what the server recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from zonemint.cli.demo.evidence import Holding, Query, Story
from zonemint.core.errors import NotHeld

__all__ = ["Step", "eleven"]


@dataclass(frozen=True, slots=True)
class Step:
    """Who asked whom for what, and the answer; `at` in seconds since 1970, `ms` how long it took if measured."""

    who: str
    whom: str
    asked: str
    answer: str
    at: float
    ms: float | None = None


def eleven(story: Story, holding: Holding, *, auth_zone: str) -> Iterator[Step]:
    """Tell the steps one after the other; raises NotHeld at the first that has no record or does not fit the rest."""
    for number, tell in enumerate(_STEPS, 1):
        try:
            yield tell(_Evidence(story, holding, auth_zone))
        except NotHeld as gap:
            raise NotHeld(f"step {number} did not hold: {gap}") from None


@dataclass(frozen=True, slots=True)
class _Evidence:
    story: Story
    holding: Holding
    auth_zone: str

    @property
    def challenge_name(self) -> str:
        return f"_acme-challenge.{self.story.authorizations[0].identifier_value}"

    @property
    def posted(self) -> str:
        return self.story.event("txt-update").detail.rpartition(" to ")[2]

    def query(self, owner: str, type_: str) -> tuple[Query, list[str]]:
        """Return the CA's first query that was answered with such records, and their values."""
        for query in self.story.queries():
            if values := query.values(owner, type_):
                return query, values
        raise NotHeld(f"no DNS answer to the CA had {owner} {type_}")


def _registered(evidence: _Evidence) -> Step:
    event = evidence.story.event("registered")
    return Step(event.actor, event.peer, event.what, event.detail, event.at, event.ms)


def _told(evidence: _Evidence) -> Step:
    event, account = evidence.story.event("registered"), evidence.holding.account
    _expect(event.detail.endswith(f" {account.fulldomain}"), f"the client was told {account.fulldomain}")
    keys = ", ".join(msgspec.to_builtins(account))
    answer = f'"{evidence.story.authorizations[0].identifier_value}": {{{keys}}}'
    return Step(event.peer, event.actor, "the JSON that the client reads", answer, evidence.holding.saved_at)


def _alias(evidence: _Evidence) -> Step:
    event = evidence.story.event("alias")
    _expect(event.detail.startswith(f"{evidence.challenge_name} CNAME "), f"the alias is {event.detail}")
    return Step(event.actor, event.peer, event.what, event.detail, event.at, event.ms)


def _ordered(evidence: _Evidence) -> Step:
    event = evidence.story.event("order")
    offers = [
        f"{challenge.type} for {authorization.identifier_value}"
        for authorization in evidence.story.authorizations
        for challenge in authorization.challenges
    ]
    _expect(bool(offers), "the CA offered no challenge")
    return Step(event.actor, event.peer, event.detail, f"offered {', '.join(offers)}", event.at, event.ms)


def _posted(evidence: _Evidence) -> Step:
    event = evidence.story.event("txt-update")
    asked, _, value = event.detail.rpartition(" to ")
    return Step(event.actor, event.peer, asked, value, event.at, event.ms)


def _requested(evidence: _Evidence) -> Step:
    event, serial = evidence.story.event("finalize"), evidence.story.order.serial
    _expect(serial is not None, "the CSR was not accepted")
    return Step(event.actor, event.peer, event.detail, f"accepted, serial {serial} reserved", event.at, event.ms)


def _asked(evidence: _Evidence) -> Step:
    prepared = evidence.story.event("challenge")
    for query in evidence.story.queries():
        if query.event.data.get("name") == evidence.challenge_name:
            event = query.event
            answer = f"{query.rcode}; asked since {prepared.actor} {prepared.detail}"
            return Step(event.actor, event.peer, f"{query.question}?", answer, event.at, event.ms)
    raise NotHeld(f"no DNS server answered the CA about {evidence.challenge_name}")


def _led(evidence: _Evidence) -> Step:
    query, targets = evidence.query(evidence.challenge_name, "CNAME")
    goal, event = evidence.holding.account.fulldomain, query.event
    _expect(targets == [goal] and goal.endswith(f".{evidence.auth_zone}"), f"the CNAME leads to {targets[0]}")
    answer = f"{goal}, in the zone {evidence.auth_zone}"
    return Step(event.peer, event.actor, f"{evidence.challenge_name} CNAME", answer, event.at, event.ms)


def _answered(evidence: _Evidence) -> Step:
    goal = evidence.holding.account.fulldomain
    query, values = evidence.query(goal, "TXT")
    _expect(evidence.posted in values, f"{goal} has {', '.join(values)}, not {evidence.posted}")
    return Step(query.event.peer, query.event.actor, f"{goal} TXT", ", ".join(values), query.event.at, query.event.ms)


def _valid(evidence: _Evidence) -> Step:
    event, story = evidence.story.event("valid"), evidence.story
    states = ", ".join(f"{one.identifier_value} is {one.status}" for one in story.authorizations)
    _expect(all(one.status == "valid" for one in story.authorizations), states)
    return Step(event.actor, story.event("order").actor, event.detail, states, event.at, event.ms)


def _issued(evidence: _Evidence) -> Step:
    event, fetched = evidence.story.event("issued"), evidence.story.event("download")
    serial = f"{evidence.holding.certificate.serial_number:x}"
    _expect(event.data.get("serial") == serial, f"the client holds serial {serial}")
    _expect(evidence.story.order.status == "valid", f"the order is {evidence.story.order.status}")
    answer = f"{fetched.detail} at {(fetched.at - event.at) * 1000:+.0f} ms: serial {serial}"
    return Step(event.actor, fetched.actor, event.detail, answer, event.at, event.ms)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotHeld(otherwise)


_STEPS: tuple[Callable[[_Evidence], Step], ...] = (
    _registered,
    _told,
    _alias,
    _ordered,
    _posted,
    _requested,
    _asked,
    _led,
    _answered,
    _valid,
    _issued,
)
