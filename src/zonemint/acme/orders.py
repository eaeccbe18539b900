"""Order resources (RFC 8555 sections 7.4 and 7.1.3): made, looked at, rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from zonemint.acme import external_accounts, renewal, reuse, states, story, terms
from zonemint.acme import jws as jws_
from zonemint.acme.ancestors import Target, methods, targets
from zonemint.acme.context import Acme, Provisioner
from zonemint.core.clock import rfc3339
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.ids import new_id, random_text
from zonemint.core.trace import Event
from zonemint.pki.issue import Template
from zonemint.pki.serials import new_serial
from zonemint.store import authorizations, external_keys, orders, traces
from zonemint.store.accounts import Account
from zonemint.store.authorizations import Authorization, Challenge
from zonemint.store.database import Steps
from zonemint.store.orders import Identifier, Order

__all__ = ["as_of", "find", "find_again", "new", "render"]

_TOKEN_OCTETS = 32

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Identifier(msgspec.Struct, frozen=True):
    type: str
    value: str
    ancestorDomain: str | None = None  # noqa: N815

    def normalized(self) -> Identifier:
        """Only ASCII is made lower case: of other letters some would become ASCII, and so another name."""
        return Identifier(self.type, self.value.lower() if self.value.isascii() else self.value)


class _NewOrder(msgspec.Struct, frozen=True):
    identifiers: Annotated[list[_Identifier], msgspec.Meta(min_length=1)]
    notBefore: _Time | None = None  # noqa: N815
    notAfter: _Time | None = None  # noqa: N815
    profile: str | None = None
    replaces: str | None = None


async def new(acme: Acme, provisioner: Provisioner, account: Account, payload: bytes, source: str) -> Order:
    """Make an order with an authorization for each of its names, or for what they rest on; raises AcmeError.

    RFC 8555 section 7.4, RFC 9444 section 4.2.
    """
    terms.check(provisioner, account)
    acme.limits.order(account.id, source)
    wanted = jws_.decode_payload(payload, _NewOrder)
    identifiers = _check_identifiers(provisioner, wanted.identifiers, acme.limits.names_per_order)
    if account.external_key is not None:
        await _hold_against_scope(acme, account.external_key, identifiers)
    acme.limits.names(account.id, identifiers)
    profile = wanted.profile or provisioner.default_profile
    if profile not in provisioner.profiles:
        raise AcmeError(
            AcmeErrorType.INVALID_PROFILE,
            f"there is no profile '{profile[:40]}'; choose one of {', '.join(provisioner.profiles)}",
        )
    not_before = None if wanted.notBefore is None else int(wanted.notBefore.timestamp())
    not_after = None if wanted.notAfter is None else int(wanted.notAfter.timestamp())
    now = acme.now()
    if not provisioner.honours_dates and (not_before, not_after) != (None, None):
        raise AcmeError(AcmeErrorType.MALFORMED, "this ACME server takes no notBefore and no notAfter: leave them out")
    _check_dates(acme.template(provisioner.profiles[profile]), now, not_before, not_after)
    expires = now + int(acme.order_lifetime)
    if not_after is not None:
        expires = min(expires, not_after)
    order_id = new_id()
    above = {one.normalized(): one.ancestorDomain for one in wanted.identifiers if one.ancestorDomain is not None}
    rests_on = targets(provisioner, identifiers, above)
    authzs = [_authorization(provisioner, account, order_id, one, now, expires) for one in rests_on]
    order = Order(
        id=order_id,
        account_id=account.id,
        provisioner=provisioner.name,
        status=states.Order.PENDING,
        identifiers=identifiers,
        authorizations=tuple(authz.id for authz in authzs),
        profile=profile,
        not_before=not_before,
        not_after=not_after,
        created_at=now,
        expires_at=expires,
        serial=f"{new_serial():x}",
        reserved_by=acme.process,
        replaces=wanted.replaces,
    )
    names = ", ".join(identifier.value for identifier in identifiers)
    instead = "" if wanted.replaces is None else f", in the place of {wanted.replaces}"
    asked = story.request(
        acme.clock(),
        "order",
        source,
        provisioner.urls.to("new-order"),
        f"asked for a certificate for {names}{instead}",
    )

    def insert() -> Steps[Order]:
        if wanted.replaces is not None:
            wanted_names = frozenset(identifier.value for identifier in identifiers)
            yield from renewal.predecessor(wanted.replaces, account_id=account.id, names=wanted_names)
        yield from acme.limits.pending(account.id, now=now)
        made, held, events = order, authzs, [asked]
        if acme.reuses_authorizations:
            held = yield from reuse.with_proofs(authzs, now)
            made = reuse.as_proved(order, held)
            if proved := [one.identifier_value for one in held if one.status == states.Authorization.VALID]:
                detail = f"the account proved control of {', '.join(proved)} before"
                events.append(Event(acme.clock(), "reused", "ca", detail=detail))
        for authz in held:
            yield from authorizations.insert(authz)
        yield from orders.insert(made)
        yield from traces.append(order.id, events)
        return made

    return await acme.db.write(insert())


async def find(acme: Acme, provisioner: Provisioner, account: Account, order_id: str) -> Order:
    """Return an account's order as it stands now; raises AcmeError 404, or 403 when it is another account's."""
    order = await acme.db.read(orders.by_id(order_id))
    if order is None or order.provisioner != provisioner.name:
        raise _none()
    if order.account_id != account.id:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, "the order is another account's", status=403)
    return as_of(order, acme.now())


async def find_again(acme: Acme, order_id: str) -> Order:
    """Return an order whose owner is known as it stands now; raises AcmeError 404."""
    order = await acme.db.read(orders.by_id(order_id))
    if order is None:
        raise _none()
    return as_of(order, acme.now())


def as_of(order: Order, now: int) -> Order:
    """Return the order with the status that its expiry gives it (section 7.1.6)."""
    unfinished = (states.Order.PENDING, states.Order.READY, states.Order.PROCESSING)
    if order.status in unfinished and order.expires_at <= now:
        problem = {
            "type": "urn:ietf:params:acme:error:malformed",
            "detail": f"the order expired at {rfc3339(order.expires_at)}; make a new one",
        }
        return msgspec.structs.replace(order, status=states.Order.INVALID, error=msgspec.json.encode(problem).decode())
    return order


def render(provisioner: Provisioner, order: Order) -> dict[str, Any]:
    """Return the order object that a client sees (section 7.1.3)."""
    urls = provisioner.urls
    rendered: dict[str, Any] = {
        "status": order.status,
        "expires": rfc3339(order.expires_at),
        "identifiers": order.identifiers,
        "profile": order.profile,
        "authorizations": [urls.authorization(authorization_id) for authorization_id in order.authorizations],
        "finalize": urls.finalize(order.id),
    }
    if order.not_before is not None:
        rendered["notBefore"] = rfc3339(order.not_before)
    if order.not_after is not None:
        rendered["notAfter"] = rfc3339(order.not_after)
    if order.replaces is not None:
        rendered["replaces"] = order.replaces
    if order.error is not None:
        rendered["error"] = msgspec.Raw(order.error.encode())
    if order.status == states.Order.VALID:
        rendered["certificate"] = urls.certificate(order.serial)
    return rendered


def _none() -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, "there is no such order", status=404)


def _check_identifiers(provisioner: Provisioner, wanted: list[_Identifier], most: int) -> tuple[Identifier, ...]:
    """Normalize the names, each once, and hold them against the policy."""
    if len(wanted) > most:
        raise AcmeError(
            AcmeErrorType.REJECTED_IDENTIFIER, f"the order has {len(wanted)} names; at most {most} are allowed"
        )
    identifiers = tuple(dict.fromkeys(one.normalized() for one in wanted))
    types = sorted({type_ for method in provisioner.methods.values() for type_ in method.identifiers})
    for one in identifiers:
        if one.type not in types:
            raise AcmeError(
                AcmeErrorType.UNSUPPORTED_IDENTIFIER,
                f"identifiers of type '{one.type[:40]}' cannot be validated here; use {' or '.join(map(repr, types))}",
            )
    _refuse(identifiers, lambda one: _refusal(provisioner, one))
    return identifiers


def _refuse(identifiers: Sequence[Identifier], why: Callable[[Identifier], str | None]) -> None:
    """Raise AcmeError with a subproblem for each name for which there is a sentence why."""
    problems = [
        (msgspec.structs.asdict(one), AcmeError(AcmeErrorType.REJECTED_IDENTIFIER, sentence))
        for one in identifiers
        if (sentence := why(one)) is not None
    ]
    if len(problems) == 1:
        raise AcmeError(AcmeErrorType.REJECTED_IDENTIFIER, problems[0][1].detail, subproblems=problems)
    if problems:
        names = ", ".join(one["value"][:80] for one, _ in problems[:5])
        raise AcmeError(
            AcmeErrorType.REJECTED_IDENTIFIER, f"{len(problems)} names are refused: {names}", subproblems=problems
        )


async def _hold_against_scope(acme: Acme, key_id: str, identifiers: tuple[Identifier, ...]) -> None:
    """Refuse names that the account's key for external accounts is not for; raises AcmeError."""
    why = external_accounts.refusal(await acme.db.read(external_keys.names_of(key_id)))
    _refuse(identifiers, lambda one: why(one.type, one.value))


def _refusal(provisioner: Provisioner, identifier: Identifier) -> str | None:
    refusal = provisioner.policy.refusal(identifier.type, identifier.value)
    if refusal is None and not methods(provisioner, Target(identifier)):
        return f"{identifier.value} is refused: no challenge that this server offers proves control of it"
    return refusal


def _check_dates(template: Template, now: int, not_before: int | None, not_after: int | None) -> None:
    """Take dates that can be honoured as they are, and no others (section 7.4); raises AcmeError."""
    refusal = template.profile.refusal(now=now, not_before=not_before, not_after=not_after)
    if refusal is not None:
        raise AcmeError(AcmeErrorType.MALFORMED, refusal)
    start, end = template.profile.validity(
        now=now,
        issuer_not_before=template.issuer_not_before,
        issuer_not_after=template.issuer_not_after,
        not_before=not_before,
        not_after=not_after,
    )
    if end < (start if not_after is None else not_after):
        raise AcmeError(
            AcmeErrorType.MALFORMED, f"the dates lie beyond the life of the CA, which ends at {rfc3339(end)}"
        )
    if not_before is not None and start > not_before:
        raise AcmeError(
            AcmeErrorType.MALFORMED, f"notBefore lies before the life of the CA, which begins at {rfc3339(start)}"
        )


def _authorization(
    provisioner: Provisioner, account: Account, order_id: str, target: Target, now: int, expires: int
) -> Authorization:
    identifier = target.identifier
    token = random_text(_TOKEN_OCTETS)
    return Authorization(
        id=new_id(),
        order_id=order_id,
        account_id=account.id,
        identifier_type=identifier.type,
        identifier_value=identifier.value.removeprefix("*."),
        wildcard=identifier.value.startswith("*."),
        status=states.Authorization.PENDING,
        challenges=tuple(
            Challenge(method.type, token if method.has_token else "", states.Challenge.PENDING)
            for method in methods(provisioner, target)
        ),
        created_at=now,
        expires_at=expires,
        subdomains=target.subdomains,
    )
