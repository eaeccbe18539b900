"""Challenge resources (RFC 8555 section 7.5.1): a client says that it is prepared, and the CA looks."""

from __future__ import annotations

import asyncio

import msgspec

from zonemint.acme import authorizations as authzs
from zonemint.acme import jws as jws_
from zonemint.acme import states, story
from zonemint.acme.context import Acme
from zonemint.acme.validator import Validator
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.validations import Pending

__all__ = ["respond"]


class _Ready(msgspec.Struct, frozen=True):
    """The client's `{}`; older drafts put fields in it, which say nothing that we need."""


async def respond(
    acme: Acme,
    validator: Validator,
    account: Account,
    authorization: Authorization,
    type_: str,
    payload: bytes,
    source: str,
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
    task = validator.task(pending)
    if task is None:
        if challenge.status == states.Challenge.PROCESSING:
            # Another node works on it, or one will that takes up what others left.
            return authorization, challenge
        url = acme.provisioners[account.provisioner].urls.challenge(authorization.id, type_)
        asked = story.request(acme.clock(), "challenge", source, url, f"is prepared for {type_}")
        task = validator.begin(pending, authorization, challenge, account, asked)
    await asyncio.wait({task}, timeout=acme.patience)
    if not task.done() and challenge.status == states.Challenge.PENDING:
        await validator.owe(pending, authorization.order_id)
    decided = task.result() if task.done() else None
    authorization = decided or await authzs.find_again(acme, pending.authorization_id)
    return authorization, authorization.challenge(type_) or challenge
