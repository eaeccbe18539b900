"""The work that a client's word on a challenge makes: looked into, decided once, recorded with all that follows.

Work that takes longer than a reply waits is in the store, and ends whatever happens: a node that is started, or another
node when this one is not heard of any more, takes it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from zonemint.acme import authorizations as authzs
from zonemint.acme import caa, states
from zonemint.acme.context import Acme
from zonemint.core.clock import rfc3339
from zonemint.core.errors import AcmeErrorType, StoreError
from zonemint.core.trace import Event
from zonemint.store import accounts, authorizations, validations
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.database import Steps
from zonemint.store.validations import Pending
from zonemint.validation.caa import Applicant
from zonemint.validation.method import Claim, Tell
from zonemint.validation.outcome import Outcome

__all__ = ["Validator"]

_STORE_RETRY = 1.0  # seconds between tries to record a decision while the store cannot answer
_LEASE = 20_000  # milliseconds for which others leave what we work on alone
_AT_ONCE = 64  # validations taken up in one go
_EVENTS = 100  # of one validation that are kept: what comes later is dropped, the beginning explains more

_log = structlog.get_logger()

Task = asyncio.Task[Authorization | None]
"""Ends with the decided authorization, or None when it was decided already."""


class Validator:
    """The validations of one node, each with the task that works on it."""

    def __init__(self, acme: Acme) -> None:
        self._acme = acme
        self._tasks: dict[Pending, Task] = {}

    def task(self, pending: Pending) -> Task | None:
        """Return what works on a challenge here."""
        return self._tasks.get(pending)

    def begin(
        self, pending: Pending, authorization: Authorization, challenge: Challenge, account: Account, asked: Event
    ) -> Task:
        """Begin to work on a challenge; `asked` is why."""
        task = asyncio.create_task(self._validate(pending, authorization, challenge, account, asked))
        self._tasks[pending] = task
        task.add_done_callback(lambda _: self._tasks.pop(pending, None))
        return task

    async def owe(self, pending: Pending, order_id: str) -> None:
        """Put a validation that takes longer on disk, so that neither a restart nor a crash forgets it."""
        await self._acme.db.write(self._owe(pending, order_id))

    async def take_up(self, *, abandoned: bool = False) -> int:
        """Take up what no node works on; return how many validations that is.

        abandoned: no other node uses this store, so all that is there was left by one that is gone.
        """
        acme = self._acme
        now_ms = int(acme.clock() * 1000)
        free_since = None if abandoned else now_ms
        count = 0
        while taken := await acme.db.write(
            validations.take(acme.process, now_ms=free_since, until_ms=now_ms + _LEASE, limit=_AT_ONCE)
        ):
            count += len(taken)
            for pending in taken:
                if pending not in self._tasks:
                    await self._resume(pending)
        return count

    async def look_after(self) -> None:
        """Tell the other nodes that we still work, and take up what they left; called every few seconds."""
        if self._tasks:
            until_ms = int(self._acme.clock() * 1000) + _LEASE
            await self._acme.db.write(validations.prolong(self._acme.process, until_ms=until_ms))
        await self.take_up()

    async def close(self) -> None:
        """Stop working; what is owed stays on disk, free for others."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            try:
                await self._acme.db.write(validations.release(self._acme.process))
            except StoreError as error:
                _log.warning("other nodes take up our validations late", why=str(error))

    async def _resume(self, pending: Pending) -> None:
        authorization = await self._acme.db.read(authorizations.by_id(pending.authorization_id))
        if authorization is None:
            return
        authorization = authzs.as_of(authorization, self._acme.now())
        account = await self._acme.db.read(accounts.by_id(authorization.account_id))
        challenge = authorization.challenge(pending.challenge_type)
        assert account is not None
        assert challenge is not None
        asked = Event(self._acme.clock(), "resumed", "ca", detail="took the validation up after a restart")
        self.begin(pending, authorization, challenge, account, asked)

    async def _validate(
        self, pending: Pending, authorization: Authorization, challenge: Challenge, account: Account, asked: Event
    ) -> Authorization | None:
        """Decide a challenge and record the decision, come what may; None when it was decided already."""
        acme = self._acme
        events = [asked]

        def tell(event: Event) -> None:
            if len(events) < _EVENTS:
                events.append(event)

        try:
            outcome = await self._attempt(authorization, challenge, account, tell)
        except Exception as error:
            # A mistake of ours must not leave the client waiting for ever.
            _log.exception("validation failed unexpectedly", authorization=authorization.id)
            detail = f"the server made a mistake in the validation ({type(error).__name__}); its log has the details"
            outcome = Outcome(AcmeErrorType.SERVER_INTERNAL, detail, again=False)
        if outcome.error is not None:
            _log.warning("a challenge failed", name=authorization.identifier_value, why=outcome.detail)
            if outcome.error is not AcmeErrorType.SERVER_INTERNAL:
                acme.limits.failed(account.id, authorization.identifier_value)
        while True:
            try:
                return await acme.db.write(self._decide(pending, authorization.order_id, outcome, events))
            except StoreError as error:
                _log.error("a decided validation cannot be recorded yet", error=str(error))
                await asyncio.sleep(_STORE_RETRY)

    async def _attempt(
        self, authorization: Authorization, challenge: Challenge, account: Account, tell: Tell
    ) -> Outcome:
        provisioner = self._acme.provisioners.get(account.provisioner)
        method = None if provisioner is None else provisioner.methods.get(challenge.type)
        if provisioner is None or method is None:
            detail = f"{challenge.type} is no longer offered here; make a new order and choose another challenge"
            return Outcome(AcmeErrorType.UNAUTHORIZED, detail, again=False)
        claim = Claim(
            identifier_type=authorization.identifier_type,
            value=authorization.identifier_value,
            wildcard=authorization.wildcard or authorization.subdomains,
            token=challenge.token,
            thumbprint=account.thumbprint,
            account_url=provisioner.urls.account(account.id),
        )
        applicant = Applicant(claim.account_url, challenge.type)

        async def attempt(note: Tell) -> Outcome:
            outcome = await method.check(claim, note)
            if outcome.error is not None:
                return outcome
            permitted = await caa.check_proven(self._acme, authorization, applicant, note)
            return outcome if permitted.error is None else permitted

        # By address and not by account, of which a client can have any number.
        return await self._acme.attempts.run(attempt, tell, group=account.created_from)

    def _decide(
        self, pending: Pending, order_id: str, outcome: Outcome, seen: Sequence[Event]
    ) -> Steps[Authorization | None]:
        """Write the outcome to challenge, authorization and orders at once; return the authorization."""
        yield authzs.lock(order_id)
        authorization = yield from authorizations.by_id(pending.authorization_id)
        if authorization is None:
            return None
        challenge = authorization.challenge(pending.challenge_type)
        is_open = challenge is not None and authorization.status == states.Authorization.PENDING
        if challenge is None or challenge.status != states.Challenge.PENDING or not is_open:
            yield from validations.remove(pending)
        if challenge is None or not is_open:
            return None
        now = self._acme.now()
        passed = _passed(outcome, authorization)
        if authorization.expires_at <= now:
            detail = (
                f"the authorization expired at {rfc3339(authorization.expires_at)}, before the end of the validation"
            )
            outcome = replace(outcome, error=AcmeErrorType.UNAUTHORIZED, detail=f"{detail}; make a new order")
        before, objection = yield from self._acme.witness(outcome.names, passed)
        if outcome.error is None and objection:
            outcome = replace(outcome, error=AcmeErrorType.UNAUTHORIZED, detail=objection)
        events = [*seen, *before]
        if outcome.error is None:
            events.append(Event(self._acme.clock(), "valid", "ca", detail=f"{pending.challenge_type} holds"))
            new, status = states.Challenge.VALID, states.Authorization.VALID
            expires, problem = now + int(self._acme.authorization_lifetime), None
        else:
            events.append(Event(self._acme.clock(), "invalid", "ca", detail=outcome.detail))
            new, status = states.Challenge.INVALID, states.Authorization.INVALID
            expires, problem = authorization.expires_at, _problem(outcome, authorization)
        states.check(states.Challenge(challenge.status), new)
        decided = msgspec.structs.replace(
            challenge, status=new, validated_at=now if problem is None else None, error=problem
        )
        if problem is None:
            decided = caa.note(self._acme, authorization, decided)
        challenges = tuple(decided if one is challenge else authzs.left(one) for one in authorization.challenges)
        settled = msgspec.structs.replace(authorization, status=status, challenges=challenges, expires_at=expires)
        yield from authzs.settle(self._acme, settled, was=states.Authorization.PENDING, events=events, problem=problem)
        return settled

    def _owe(self, pending: Pending, order_id: str) -> Steps[None]:
        yield authzs.lock(order_id)
        authorization = yield from authorizations.by_id(pending.authorization_id)
        if authorization is None:
            return
        challenge = authorization.challenge(pending.challenge_type)
        if authorization.status != states.Authorization.PENDING or challenge is None:
            return
        if challenge.status == states.Challenge.PENDING:
            states.check(states.Challenge.PENDING, states.Challenge.PROCESSING)
            begun = msgspec.structs.replace(challenge, status=states.Challenge.PROCESSING)
            challenges = tuple(begun if one is challenge else one for one in authorization.challenges)
            yield from authorizations.save(
                msgspec.structs.replace(authorization, challenges=challenges), was=states.Authorization.PENDING
            )
            until_ms = int(self._acme.clock() * 1000) + _LEASE
            yield from validations.add(pending, now=self._acme.now(), holder=self._acme.process, until_ms=until_ms)


def _passed(outcome: Outcome, authorization: Authorization) -> Sequence[str]:
    """Return the names that led to a proof; one for all names below a domain is said to be for `*.` of it."""
    if not authorization.subdomains or not outcome.names:
        return outcome.names
    first, value = outcome.names[0], authorization.identifier_value
    return (f"{first.removesuffix(value)}*.{value}", *outcome.names[1:])


def _problem(outcome: Outcome, authorization: Authorization) -> dict[str, object]:
    return {
        "type": f"urn:ietf:params:acme:error:{outcome.error}",
        "detail": outcome.detail,
        "identifier": {"type": authorization.identifier_type, "value": authorization.identifier_value},
    }
