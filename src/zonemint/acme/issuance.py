"""Issuance: a checked CSR and a ready order become a certificate.

One transaction claims the order, signs and records: whoever loses a race sees the order as the winner left it, and a
crash leaves it as it was. The serial is on disk before the key is used, since it is reserved with the order; it is used
only by the process that reserved it, so a signature that a crash cut off never shares its serial with another.
"""

from __future__ import annotations

import asyncio
import random

import msgspec
import structlog

from zonemint.acme import authorizations as authzs
from zonemint.acme import caa, renewal, states
from zonemint.acme import orders as orders_
from zonemint.acme.context import Acme, Provisioner
from zonemint.core.errors import AcmeError, AcmeErrorType, CsrError, IssuanceError
from zonemint.core.hash_chain import Detail
from zonemint.core.trace import Event
from zonemint.pki import csr as csr_
from zonemint.pki import issue, lint
from zonemint.pki.profiles import Profile
from zonemint.pki.serials import new_serial
from zonemint.store import audit, authorizations, blocked_keys, certificates, orders, signings, traces
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps
from zonemint.store.orders import Order

__all__ = ["check", "complete", "ensure_valid", "record_failure"]

_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds, at most, before an order is tried again

_log = structlog.get_logger()


def check(acme: Acme, provisioner: Provisioner, order: Order, der: bytes, account_key: str) -> csr_.Csr:
    """Hold a request in DER against the order, its profile, the policy as it is now and the account's key.

    Raises AcmeError: badCSR, and rejectedIdentifier when the order is older than a policy that refuses it.
    """
    # What has its serial from this run of the program was held against this policy when it got it.
    for one in order.identifiers if order.reserved_by != acme.process else ():
        if refusal := provisioner.policy.refusal(one.type, one.value):
            raise AcmeError(AcmeErrorType.REJECTED_IDENTIFIER, refusal)
    try:
        csr = csr_.check(
            der,
            names=frozenset(one.value for one in order.identifiers if one.type == "dns"),
            ips=frozenset(one.value for one in order.identifiers if one.type == "ip"),
            forbidden_keys={account_key: "is the account's own key"},
            known_keys=acme.known_keys,
        )
    except CsrError as error:
        raise AcmeError(AcmeErrorType.BAD_CSR, str(error)) from error
    if refusal := profile_of(provisioner, order).key_refusal(csr.kind, csr.bits):
        raise AcmeError(AcmeErrorType.BAD_CSR, refusal)
    return csr


def profile_of(provisioner: Provisioner, order: Order) -> Profile:
    """Return the profile of the order's certificate; raises AcmeError when there is none of its name any more."""
    profile = provisioner.profiles.get(order.profile)
    if profile is None:
        raise AcmeError(
            AcmeErrorType.INVALID_PROFILE, f"the profile '{order.profile}' is not here any more; make a new order"
        )
    return profile


async def complete(
    acme: Acme, provisioner: Provisioner, order: Order, csr: csr_.Csr, asked: Event, *, via: str
) -> Order:
    """Issue the certificate of an order that is ready, or processing for somebody else; return it as it then stands.

    `via` is the address that asked for it. Raises AcmeError, and changes nothing, when what the order rests on holds
    no longer.
    """
    was = order.status
    pause = _PAUSE
    while order.status == was:
        order = await _with_fresh_serial(acme, order)
        flaw = await _flaw(acme, provisioner, order, csr)
        try:
            finished = await acme.db.write(_issue(acme, provisioner, order, csr, asked, via, flaw))
        except caa.Unchecked:
            await caa.look_again(acme, order)
            continue
        if finished is not None:
            acme.used_serials.discard(order.serial)
            if finished.status == states.Order.VALID:
                names = [one.value for one in order.identifiers]
                _log.info("issued a certificate", order=order.id, serial=order.serial, names=names)
            return finished
        # Two nodes that reserve in step take the serial from each other for ever, so each waits for a time of its own.
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        pause = min(2 * pause, _LONGEST_PAUSE)
        order = await orders_.find_again(acme, order.id)
    return order


def ensure_valid(acme: Acme, order: Order, csr: csr_.Csr) -> Steps[None]:
    """Raise AcmeError unless the key may be used and each authorization of the order is valid, or caa.Unchecked."""
    if (why := (yield from blocked_keys.reason(csr.spki_sha256))) is not None:
        raise AcmeError(AcmeErrorType.BAD_CSR, f"the CSR's key is blocked ({why}): make a new key")
    now = acme.now()
    held = yield from authorizations.of_order(order.authorizations)
    if held is None:
        raise AcmeError(AcmeErrorType.MALFORMED, "the order was removed, since it ended long ago", status=404)
    for one in held:
        if authzs.as_of(one, now).status != states.Authorization.VALID:
            raise AcmeError(
                AcmeErrorType.UNAUTHORIZED,
                f"the authorization for {one.identifier_value} is no longer valid; make a new order",
                status=403,
            )
    caa.ensure_checked(acme, order, held)


async def _with_fresh_serial(acme: Acme, order: Order) -> Order:
    """Reserve another serial, on disk, when a process that is gone or a commit that failed may have used this one.

    Who loses a race for it returns the order as it was: its serial is refused when it is to be used.
    """
    if _is_fresh(acme, order):
        return order
    fresh = msgspec.structs.replace(order, serial=f"{new_serial():x}", reserved_by=acme.process)
    steps = orders.reserve(
        order.id, while_=order.status, serial=fresh.serial, reserved_by=acme.process, instead_of=order.serial
    )
    return fresh if await acme.db.write(steps) else order


def _is_fresh(acme: Acme, order: Order) -> bool:
    """Tell whether nothing was ever signed with the order's serial: we alone may, and have not."""
    return order.reserved_by == acme.process and order.serial not in acme.used_serials


async def _flaw(acme: Acme, provisioner: Provisioner, order: Order, csr: csr_.Csr) -> str:
    """Return what a linter finds in the certificate that would be signed; mostly it knows one like it."""
    now, profile = acme.now(), profile_of(provisioner, order)
    shape = lint.shape(
        acme.template(profile),
        names=[one.value for one in order.identifiers if one.type == "dns"],
        ips=[one.value for one in order.identifiers if one.type == "ip"],
        key=csr.public_key,
        until=order.not_after or now + profile.lifetime,
    )
    return await acme.lint(shape, lambda: lint.stand_in(_prepare(acme, provisioner, order, csr, now)))


def _issue(
    acme: Acme, provisioner: Provisioner, order: Order, csr: csr_.Csr, asked: Event, via: str, flaw: str
) -> Steps[Order | None]:
    """Claim the order, sign, and record both, if all that it rests on still holds; None when it was not to be had.

    With a `flaw` the order ends without a certificate.
    """
    yield authzs.lock(order.id)
    yield from ensure_valid(acme, order, csr)
    now = acme.now()
    if order.status == states.Order.READY:
        states.check(states.Order.READY, states.Order.PROCESSING)
    serial = order.serial
    # Another request for this order may have signed since, and its commit failed.
    if not _is_fresh(acme, order):
        return None
    if not (yield from orders.claim(order.id, frm=order.status, to=states.Order.VALID, serial=serial, now=now)):
        return None
    if order.status == states.Order.PROCESSING:
        yield from signings.remove_of_order(order.id)
    if flaw:
        return (yield from _fail(acme, order, f"the CA does not sign what a linter refuses: {flaw}", via))
    began = acme.clock()
    acme.used_serials.add(serial)
    try:
        prepared = _prepare(acme, provisioner, order, csr, now)
        issued = issue.sign(prepared)
    except Exception as error:
        _log.exception("a certificate could not be signed", order=order.id)
        detail = str(error) if isinstance(error, IssuanceError) else "the CA could not sign; its log has the details"
        return (yield from _fail(acme, order, detail, via))
    data = {"serial": serial, "profile": order.profile}
    signed = Event(began, "issued", "ca", detail="signed the certificate", ms=(acme.clock() - began) * 1000, data=data)
    states.check(states.Order.PROCESSING, states.Order.VALID)
    yield from certificates.insert(
        Certificate(
            serial=serial,
            order_id=order.id,
            account_id=order.account_id,
            status="valid",
            names=tuple(one.value for one in order.identifiers),
            key_hash=csr.spki_sha256,
            not_before=issued.not_before,
            not_after=issued.not_after,
            created_at=now,
            der=issued.der,
            issuer=issued.issuer,
        )
    )
    yield from traces.append(order.id, (asked, signed))
    facts: Detail = {"key": csr.spki_sha256, "not_before": issued.not_before, "not_after": issued.not_after}
    if order.replaces is not None:
        replaced = renewal.parse(order.replaces).serial
        yield from certificates.replace(replaced, order_id=order.id)
        facts = {**facts, "replaces": replaced}
    yield from _record(acme, audit.Kind.CERTIFICATE_ISSUED, order, via, facts)
    return msgspec.structs.replace(order, status=states.Order.VALID)


def _prepare(acme: Acme, provisioner: Provisioner, order: Order, csr: csr_.Csr, now: int) -> issue.Prepared:
    return issue.prepare(
        acme.template(profile_of(provisioner, order)),
        names=[one.value for one in order.identifiers if one.type == "dns"],
        ips=[one.value for one in order.identifiers if one.type == "ip"],
        public_key=csr.public_key,
        serial=int(order.serial, 16),
        now=now,
        not_before=order.not_before,
        not_after=order.not_after,
    )


def _fail(acme: Acme, order: Order, detail: str, via: str) -> Steps[Order]:
    """End an order whose issuance failed, and return it."""
    states.check(states.Order.PROCESSING, states.Order.INVALID)
    problem = {"type": "urn:ietf:params:acme:error:serverInternal", "detail": detail}
    error = msgspec.json.encode(problem).decode()
    yield from orders.move(order.id, frm=states.Order.VALID, to=states.Order.INVALID, error=error)
    yield from traces.append(order.id, (Event(acme.clock(), "failed", "ca", detail=detail),))
    yield from record_failure(acme, order, detail, via)
    return msgspec.structs.replace(order, status=states.Order.INVALID, error=error)


def record_failure(acme: Acme, order: Order, why: str, via: str) -> Steps[None]:
    """Put into the audit log that an order gets no certificate; it is the last thing of a transaction."""
    yield from _record(acme, audit.Kind.CERTIFICATE_FAILED, order, via, {"why": why})


def _record(acme: Acme, kind: audit.Kind, order: Order, via: str, facts: Detail) -> Steps[None]:
    names = tuple(one.value for one in order.identifiers)
    told: Detail = {"names": names, "order": order.id, "profile": order.profile, "via": via, **facts}
    yield from audit.append(audit.Fact(kind, f"account:{order.account_id}", order.serial, told), now=acme.clock())
