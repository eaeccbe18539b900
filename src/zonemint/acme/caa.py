"""CAA held against each name of an order (RFC 8659 section 3): when it is proved, and again when that is hours ago.

What was found is kept with the challenge that proved the name. The transaction that signs looks there, so no way leads
to a certificate without it: not a restart, not a node without the key, not an authorization of an earlier order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from zonemint.acme import authorizations as authzs
from zonemint.acme import states
from zonemint.acme.context import Acme
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.names import is_within
from zonemint.core.trace import Event
from zonemint.store import authorizations, traces
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.database import Steps
from zonemint.store.orders import Order
from zonemint.validation.caa import Applicant
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome

__all__ = ["REUSE", "Unchecked", "check_proven", "ensure_checked", "look_again", "note"]

REUSE = 8 * 3600
"""Seconds for which a look holds (CA/Browser Forum Baseline Requirements, section 4.2.2.1)."""

_AT_ONCE = 8
_EVENTS = 100  # of one look at all of an order's names


class Unchecked(Exception):
    """Names of an order were not looked at lately; `look_again` does, outside of any transaction."""


async def check_proven(acme: Acme, authorization: Authorization, applicant: Applicant, tell: Tell) -> Outcome:
    """Look at the CAA records of a name that has just been proved."""
    if authorization.identifier_type != "dns":
        return Outcome(None, "", False)
    return await _look(acme, _name(authorization), applicant, tell)


async def _look(acme: Acme, name: str, applicant: Applicant, tell: Tell) -> Outcome:
    outcome = await acme.caa.check(name, applicant, tell)
    tell(Event(acme.clock(), "caa", "ca", detail=outcome.detail))
    return outcome


def ensure_checked(acme: Acme, order: Order, held: Sequence[Authorization]) -> None:
    """Raise Unchecked unless the CAA records of each name were looked at and permit, not long ago."""
    if _unchecked(acme, order, held):
        raise Unchecked


def note(acme: Acme, authorization: Authorization, challenge: Challenge) -> Challenge:
    """Return the challenge that proves an authorization with the note that CAA permits its name."""
    name = _name(authorization)
    if authorization.identifier_type != "dns" or acme.caa.top(name) is None:
        return challenge
    return _noted(challenge, name, acme.now())


def _noted(challenge: Challenge, name: str, now: int) -> Challenge:
    lasting = {one: at for one, at in challenge.caa.items() if at > now - REUSE}
    return msgspec.structs.replace(challenge, caa={**lasting, name: now})


async def look_again(acme: Acme, order: Order) -> None:
    """Look at what was not looked at lately, and note it; raises AcmeError caa with a subproblem for each name."""
    held = await acme.db.read(authorizations.of_order(order.authorizations)) or []
    events: list[Event] = []
    gate = asyncio.Semaphore(_AT_ONCE)

    def tell(event: Event) -> None:
        if len(events) < _EVENTS:
            events.append(event)

    async def look(name: str) -> tuple[str, Authorization, Challenge, Outcome]:
        proof = next(((one, by) for one in held if (by := _proof(one)) and _covers(one, name)), None)
        provisioner = acme.provisioners.get(order.provisioner)
        if proof is None or provisioner is None:
            raise AcmeError(AcmeErrorType.UNAUTHORIZED, f"nothing proves {name} any more; make a new order", status=403)
        applicant = Applicant(provisioner.urls.account(order.account_id), proof[1].type)
        async with gate:
            return name, *proof, await _look(acme, name, applicant, tell)

    looked = await asyncio.gather(*map(look, _unchecked(acme, order, held)))

    def keep() -> Steps[None]:
        yield authzs.lock(order.id)
        if events:
            yield from traces.append(order.id, events)
        for name, proven, by, outcome in looked:
            authorization = yield from authorizations.by_id(proven.id)
            challenge = None if authorization is None else authorization.challenge(by.type)
            if outcome.error is not None or authorization is None or challenge is None:
                continue
            changed = _noted(challenge, name, acme.now())
            challenges = tuple(changed if one is challenge else one for one in authorization.challenges)
            yield from authorizations.save(
                msgspec.structs.replace(authorization, challenges=challenges), was=authorization.status
            )

    await acme.db.write(keep())
    refused = [
        ({"type": "dns", "value": name}, AcmeError(AcmeErrorType.CAA, outcome.detail))
        for name, *_, outcome in looked
        if outcome.error is not None
    ]
    if refused:
        names = ", ".join(one["value"] for one, _ in refused[:5])
        detail = refused[0][1].detail if len(refused) == 1 else f"CAA forbids {len(refused)} names: {names}"
        raise AcmeError(AcmeErrorType.CAA, detail, subproblems=refused)


def _unchecked(acme: Acme, order: Order, held: Sequence[Authorization]) -> list[str]:
    since = acme.now() - REUSE
    checked = {name for one in held for by in one.challenges for name, at in by.caa.items() if at > since}
    return [
        one.value
        for one in order.identifiers
        if one.type == "dns" and one.value not in checked and acme.caa.top(one.value) is not None
    ]


def _name(authorization: Authorization) -> str:
    return f"*.{authorization.identifier_value}" if authorization.wildcard else authorization.identifier_value


def _proof(authorization: Authorization) -> Challenge | None:
    return next((one for one in authorization.challenges if one.status == states.Challenge.VALID), None)


def _covers(authorization: Authorization, name: str) -> bool:
    """Tell whether an authorization is the one that a name rests on, or that of a domain above it."""
    if authorization.wildcard:
        return name == _name(authorization)
    return is_within(name.removeprefix("*."), authorization.identifier_value)
