"""Authorization resources (RFC 8555 sections 7.1.4 and 7.5): looked at, settled, deactivated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from zonemint.acme import jws as jws_
from zonemint.acme import states, story
from zonemint.acme.context import Acme, Provisioner
from zonemint.core.clock import rfc3339
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.trace import Event
from zonemint.store import authorizations, orders, proofs, traces
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.database import Lock, Steps

__all__ = ["as_of", "find", "find_again", "left", "lock", "render", "render_challenge", "settle", "update"]


class _Update(msgspec.Struct, frozen=True):
    status: str | msgspec.UnsetType = msgspec.UNSET


async def find(acme: Acme, account: Account, authorization_id: str) -> Authorization:
    """Return an account's authorization as it stands now; raises AcmeError 404, or 403 when it is another's."""
    authorization = await acme.db.read(authorizations.by_id(authorization_id))
    if authorization is None:
        raise _none()
    if authorization.account_id != account.id:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, "the authorization is another account's", status=403)
    return as_of(authorization, acme.now())


def as_of(authorization: Authorization, now: int) -> Authorization:
    """Return the authorization with the status that its expiry gives it (section 7.1.6)."""
    if authorization.expires_at > now:
        return authorization
    match authorization.status:
        case states.Authorization.PENDING:
            return msgspec.structs.replace(authorization, status=states.Authorization.INVALID)
        case states.Authorization.VALID:
            return msgspec.structs.replace(authorization, status=states.Authorization.EXPIRED)
    return authorization


async def update(
    acme: Acme, provisioner: Provisioner, authorization: Authorization, payload: bytes, source: str
) -> Authorization:
    """Deactivate (section 7.5.2); POST-as-GET and no status change nothing. Raises AcmeError."""
    wanted = jws_.decode_payload(payload, _Update) if payload else _Update()
    if wanted.status is msgspec.UNSET or wanted.status == authorization.status:
        return authorization
    if wanted.status != states.Authorization.DEACTIVATED:
        raise AcmeError(AcmeErrorType.MALFORMED, "the only status that a client can ask for is 'deactivated'")
    was = states.Authorization(authorization.status)
    if states.Authorization.DEACTIVATED not in states.after(was):
        raise AcmeError(AcmeErrorType.MALFORMED, f"the authorization is {was} and stays so")
    url = provisioner.urls.authorization(authorization.id)
    asked = story.request(acme.clock(), "deactivated", source, url, f"gave up {authorization.identifier_value}")
    problem: dict[str, object] = {
        "type": "urn:ietf:params:acme:error:unauthorized",
        "detail": f"the authorization for {authorization.identifier_value} was deactivated by the account",
    }

    def deactivate() -> Steps[bool]:
        yield lock(authorization.order_id)
        if acme.reuses_authorizations:
            yield from proofs.forget(authorization)
        found = (yield from authorizations.by_id(authorization.id)) or authorization
        challenges = tuple(map(left, found.challenges))
        deactivated = msgspec.structs.replace(found, status=states.Authorization.DEACTIVATED, challenges=challenges)
        return (yield from settle(acme, deactivated, was=was, events=(asked,), problem=problem))

    await acme.db.write(deactivate())
    return await find_again(acme, authorization.id)


async def find_again(acme: Acme, authorization_id: str) -> Authorization:
    """Return an authorization whose owner is known as it stands now; raises AcmeError 404."""
    authorization = await acme.db.read(authorizations.by_id(authorization_id))
    if authorization is None:
        raise _none()
    return as_of(authorization, acme.now())


def lock(order_id: str) -> Lock:
    """Return the lock under which an order's authorizations are decided, each seeing what became of the others."""
    return Lock(f"order {order_id}")


def left(challenge: Challenge) -> Challenge:
    """Return a challenge of an authorization that was decided without it: nothing of it is under way any more."""
    if challenge.status != states.Challenge.PROCESSING:
        return challenge
    states.check(states.Challenge.PROCESSING, states.Challenge.INVALID)
    return msgspec.structs.replace(challenge, status=states.Challenge.INVALID)


def settle(
    acme: Acme,
    authorization: Authorization,
    *,
    was: states.Authorization,
    events: Sequence[Event],
    problem: dict[str, object] | None = None,
) -> Steps[bool]:
    """Store an authorization's new status, and what follows from it for its order, in one transaction.

    The order is ready as soon as the last of its authorizations is valid, and invalid as soon as one is not to be
    had (section 7.1.6); `problem` is then its error. It outlives no valid authorization, since one that expires is not
    to be had either. False when the authorization was no longer as it was. The caller holds the order's `lock`.
    """
    states.check(was, states.Authorization(authorization.status))
    if not (yield from authorizations.save(authorization, was=was)):
        return False
    order_id = authorization.order_id
    yield from traces.append(order_id, events)
    if authorization.status != states.Authorization.VALID:
        error = msgspec.json.encode(problem).decode() if problem else None
        for frm in (states.Order.PENDING, states.Order.READY):
            yield from orders.move(order_id, frm=frm, to=states.Order.INVALID, error=error)
        return True
    if acme.reuses_authorizations and not authorization.subdomains:
        yield from proofs.put(authorization)
    yield from _prove(authorization, acme.now())
    return True


def render(provisioner: Provisioner, authorization: Authorization) -> dict[str, Any]:
    """Return the authorization object that a client sees; once it is decided, only the deciding challenge."""
    challenges: Sequence[Challenge] = authorization.challenges
    if authorization.status != states.Authorization.PENDING:
        challenges = [one for one in challenges if one.status == states.Challenge.VALID or one.error] or challenges
    rendered: dict[str, Any] = {
        "identifier": {"type": authorization.identifier_type, "value": authorization.identifier_value},
        "status": authorization.status,
        "expires": rfc3339(authorization.expires_at),
        "challenges": [render_challenge(provisioner, authorization, one) for one in challenges],
    }
    if authorization.wildcard:
        rendered["wildcard"] = True
    if authorization.subdomains:
        rendered["subdomainAuthAllowed"] = True
    return rendered


def render_challenge(provisioner: Provisioner, authorization: Authorization, challenge: Challenge) -> dict[str, Any]:
    """Return the challenge object that a client sees (section 7.1.5)."""
    rendered: dict[str, Any] = {
        "type": challenge.type,
        "url": provisioner.urls.challenge(authorization.id, challenge.type),
        "status": challenge.status,
    }
    if challenge.token:
        rendered["token"] = challenge.token
    if method := provisioner.methods.get(challenge.type):
        rendered |= method.members(provisioner.urls.account(authorization.account_id))
    if challenge.validated_at is not None:
        rendered["validated"] = rfc3339(challenge.validated_at)
    if challenge.error is not None:
        rendered["error"] = challenge.error
    return rendered


def _prove(settled: Authorization, now: int) -> Steps[None]:
    """Have an order as its authorizations make it now that one more is valid."""
    order = yield from orders.by_id(settled.order_id)
    if order is None:
        return
    others = yield from authorizations.of_order(tuple(one for one in order.authorizations if one != settled.id))
    if others is None:
        return
    ready = all(as_of(one, now).status == states.Authorization.VALID for one in others)
    ends = min(order.expires_at, settled.expires_at)
    if ready or ends < order.expires_at:
        status = states.Order.READY if ready else states.Order.PENDING
        yield from orders.prove(order.id, frm=states.Order.PENDING, to=status, expires_at=ends)


def _none() -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, "there is no such authorization", status=404)
