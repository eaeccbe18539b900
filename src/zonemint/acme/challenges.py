"""Challenge resources (RFC 8555 section 7.5.1): a client says that it is prepared, and the CA looks.

A validation is decided once, however often it is asked for, and it ends, whatever happens: what is under way is on
disk as soon as a client has been told of it, and goes on after a restart.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from zonemint.acme import authorizations as authzs
from zonemint.acme import jws as jws_
from zonemint.acme import states
from zonemint.acme.context import Acme
from zonemint.core.errors import AcmeError, AcmeErrorType, StoreError
from zonemint.core.trace import Event
from zonemint.store import accounts, authorizations, validations
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.database import Steps
from zonemint.store.validations import Pending
from zonemint.validation import dns01
from zonemint.validation.outcome import Outcome

__all__ = ["Challenges"]

_STORE_RETRY = 1.0  # seconds between tries to record a decision while the store cannot answer

_log = structlog.get_logger()


class _Ready(msgspec.Struct, frozen=True):
    """The client's `{}`; older drafts put fields in it, which say nothing that we need."""


class Challenges:
    """The validations of one process, each with the task that works on it."""

    def __init__(self, acme: Acme) -> None:
        self._acme = acme
        self._tasks: dict[Pending, asyncio.Task[Authorization | None]] = {}

    async def respond(
        self, account: Account, authorization: Authorization, type_: str, payload: bytes, source: str
    ) -> tuple[Authorization, Challenge]:
        """Begin a validation if it is the client's first word on it, wait for it a little, and return what stands.

        POST-as-GET only looks. Raises AcmeError.
        """
        challenge = authorization.challenge(type_)
        if challenge is None:
            raise AcmeError(AcmeErrorType.MALFORMED, "there is no such challenge", status=404)
        if payload:
            jws_.decode_payload(payload, _Ready)
        if not payload or authorization.status != states.Authorization.PENDING:
            return authorization, challenge
        pending = Pending(authorization.id, type_)
        task = self._tasks.get(pending)
        if task is None:
            asked = Event(self._acme.clock(), "challenge", source, "ca", f"is prepared for {type_}")
            task = self._begin(pending, authorization, challenge, account, asked)
        await asyncio.wait({task}, timeout=self._acme.patience)
        if not task.done() and challenge.status == states.Challenge.PENDING:
            await self._acme.db.write(self._owe(pending))
        decided = task.result() if task.done() else None
        authorization = decided or await authzs.find_again(self._acme, pending.authorization_id)
        return authorization, authorization.challenge(type_) or challenge

    async def resume(self) -> int:
        """Take up what was under way when the last process ended; return how many validations that is."""
        owed = await self._acme.db.read(validations.listing())
        for pending in owed:
            authorization = await authzs.find_again(self._acme, pending.authorization_id)
            account = await self._acme.db.read(accounts.by_id(authorization.account_id))
            challenge = authorization.challenge(pending.challenge_type)
            assert account is not None
            assert challenge is not None
            asked = Event(self._acme.clock(), "resumed", "ca", detail="took the validation up after a restart")
            self._begin(pending, authorization, challenge, account, asked)
        return len(owed)

    async def close(self) -> None:
        """Stop working; what is owed stays on disk."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(
        self, pending: Pending, authorization: Authorization, challenge: Challenge, account: Account, asked: Event
    ) -> asyncio.Task[Authorization | None]:
        task = asyncio.create_task(self._validate(pending, authorization, challenge, account, asked))
        self._tasks[pending] = task
        task.add_done_callback(lambda _: self._tasks.pop(pending, None))
        return task

    async def _validate(
        self, pending: Pending, authorization: Authorization, challenge: Challenge, account: Account, asked: Event
    ) -> Authorization | None:
        """Decide a challenge and record the decision, come what may; None when it was decided already."""
        acme = self._acme
        key_authorization = f"{challenge.token}.{account.thumbprint}"
        try:
            outcome = await acme.attempts.run(
                lambda: dns01.check(acme.resolver, authorization.identifier_value, key_authorization, acme.clock)
            )
        except Exception as error:
            # A mistake of ours must not leave the client waiting for ever.
            _log.exception("validation failed unexpectedly", authorization=authorization.id)
            detail = f"the server made a mistake in the validation ({type(error).__name__}); its log has the details"
            outcome = Outcome(AcmeErrorType.SERVER_INTERNAL, detail, False, ())
        if outcome.error is not None:
            _log.warning("a challenge failed", name=authorization.identifier_value, why=outcome.detail)
        while True:
            try:
                return await acme.db.write(self._decide(pending, outcome, asked))
            except StoreError as error:
                _log.error("a decided validation cannot be recorded yet", error=str(error))
                await asyncio.sleep(_STORE_RETRY)

    def _decide(self, pending: Pending, outcome: Outcome, asked: Event) -> Steps[Authorization | None]:
        """Write the outcome to challenge, authorization and orders at once; return the authorization."""
        authorization = yield from authorizations.by_id(pending.authorization_id)
        assert authorization is not None
        challenge = authorization.challenge(pending.challenge_type)
        if challenge is None or challenge.status == states.Challenge.PROCESSING:
            yield from validations.remove(pending)
        if challenge is None or authorization.status != states.Authorization.PENDING:
            return None
        now = self._acme.now()
        events = [asked, *outcome.events, *(yield from self._acme.witness(outcome.names))]
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
        challenges = tuple(decided if one is challenge else one for one in authorization.challenges)
        settled = msgspec.structs.replace(authorization, status=status, challenges=challenges, expires_at=expires)
        yield from authzs.settle(self._acme, settled, was=states.Authorization.PENDING, events=events, problem=problem)
        return settled

    def _owe(self, pending: Pending) -> Steps[None]:
        """Put a validation that takes longer on disk, so that a restart does not forget it."""
        authorization = yield from authorizations.by_id(pending.authorization_id)
        assert authorization is not None
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
            yield from validations.add(pending, now=self._acme.now())


def _problem(outcome: Outcome, authorization: Authorization) -> dict[str, object]:
    return {
        "type": f"urn:ietf:params:acme:error:{outcome.error}",
        "detail": outcome.detail,
        "identifier": {"type": authorization.identifier_type, "value": authorization.identifier_value},
    }
