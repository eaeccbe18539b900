"""Finalizing an order (RFC 8555 section 7.4) and downloading what came of it (section 7.4.2).

The order of the steps is what makes a crash and a race harmless: the claim decides in the store who issues, and puts
the serial and the request on disk before the key is used; whoever loses the race answers with the order as it stands.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from zonemint.acme import authorizations as authzs
from zonemint.acme import jws as jws_
from zonemint.acme import orders as orders_
from zonemint.acme import states
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.requests import ByAccount
from zonemint.core.errors import AcmeError, AcmeErrorType, CsrError, IssuanceError
from zonemint.core.trace import Event
from zonemint.pki import csr as csr_
from zonemint.pki import issue
from zonemint.pki.keys import spki_sha256
from zonemint.pki.serials import new_serial
from zonemint.store import authorizations, certificates, orders, traces
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps
from zonemint.store.orders import Order

__all__ = ["download", "finalize", "resume"]

_log = structlog.get_logger()


class _Finalize(msgspec.Struct, frozen=True):
    csr: str


async def finalize(acme: Acme, provisioner: Provisioner, signed: ByAccount, order_id: str, source: str) -> Order:
    """Issue the certificate of a ready order; return the order as it then stands. Raises AcmeError."""
    order = await orders_.find(acme, provisioner, signed.account, order_id)
    if order.status in (states.Order.PROCESSING, states.Order.VALID):
        return order
    if order.status != states.Order.READY:
        raise AcmeError(AcmeErrorType.ORDER_NOT_READY, f"the order is {order.status}, not ready")
    der = jws_.from_b64url(jws_.decode_payload(signed.payload, _Finalize).csr, "the CSR")
    began = acme.clock()
    prepared, csr = _prepare(
        provisioner, order, der, account_key=spki_sha256(signed.key), serial=new_serial(), now=acme.now()
    )
    reserved = _reservation(order, prepared, csr, acme.now())
    asked = Event(began, "finalize", source, "ca", f"sent a CSR ({len(der)} octets)")
    if order.id not in acme.issuing:
        acme.issuing.add(order.id)
        try:
            if await acme.db.write(_claim(acme, order, der, reserved)):
                # The client may hang up; what was claimed must come to its end all the same.
                return await asyncio.shield(asyncio.ensure_future(_issue(acme, order, prepared, asked)))
        finally:
            acme.issuing.discard(order.id)
    return await orders_.find(acme, provisioner, signed.account, order_id)


async def resume(acme: Acme) -> int:
    """Finish the issuances that a crash or a failing store cut off, and return how many these were.

    The serial that was reserved is used, for the same request.
    """
    cut_off = [order for order in await acme.db.read(orders.processing()) if order.id not in acme.issuing]
    for order in cut_off:
        provisioner = acme.provisioners.get(order.provisioner)
        reserved = await acme.db.read(certificates.by_serial(order.serial or ""))
        try:
            if provisioner is None or order.csr is None or reserved is None:
                raise AcmeError(AcmeErrorType.SERVER_INTERNAL, "the issuance was cut off and cannot be taken up")
            prepared, _ = _prepare(
                provisioner, order, order.csr, account_key="", serial=int(reserved.serial, 16), now=reserved.created_at
            )
            resumed = Event(acme.clock(), "resumed", "ca", detail="took the issuance up after a restart")
            await _issue(acme, order, prepared, resumed)
        except AcmeError as error:
            await acme.db.write(_fail(acme, order, error.detail))
    return len(cut_off)


async def download(acme: Acme, provisioner: Provisioner, signed: ByAccount, serial: str, source: str) -> bytes:
    """Return a certificate's PEM chain, leaf first, to the account that ordered it; raises AcmeError 404, 403."""
    certificate = await acme.db.read(certificates.by_serial(serial))
    if certificate is None or certificate.der is None or certificate.order_id is None:
        raise AcmeError(AcmeErrorType.MALFORMED, "there is no such certificate", status=404)
    if certificate.account_id != signed.account.id:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, "the certificate is another account's", status=403)
    fetched = Event(acme.clock(), "download", source, "ca", "fetched the certificate and its chain")
    acme.db.write_soon(traces.append(certificate.order_id, (fetched,)))
    return issue.pem(certificate.der) + acme.authority.chain_pem


def _prepare(
    provisioner: Provisioner, order: Order, der: bytes, *, account_key: str, serial: int, now: float
) -> tuple[issue.Prepared, csr_.Csr]:
    """Check the request against the order and put the certificate together, unsigned; raises AcmeError."""
    names = [one.value for one in order.identifiers if one.type == "dns"]
    ips = [one.value for one in order.identifiers if one.type == "ip"]
    try:
        csr = csr_.check(
            der,
            names=frozenset(names),
            ips=frozenset(ips),
            forbidden_keys={account_key: "is the account's own key"},
        )
    except CsrError as error:
        raise AcmeError(AcmeErrorType.BAD_CSR, str(error)) from error
    try:
        prepared = issue.prepare(
            provisioner.profiles[order.profile],
            names=names,
            ips=ips,
            public_key=csr.public_key,
            serial=serial,
            now=now,
            not_before=order.not_before,
            not_after=order.not_after,
        )
    except IssuanceError as error:
        raise AcmeError(AcmeErrorType.SERVER_INTERNAL, str(error)) from error
    return prepared, csr


def _reservation(order: Order, prepared: issue.Prepared, csr: csr_.Csr, now: int) -> Certificate:
    return Certificate(
        serial=f"{prepared.serial:x}",
        order_id=order.id,
        account_id=order.account_id,
        status="reserved",
        names=tuple(one.value for one in order.identifiers),
        key_hash=csr.spki_sha256,
        not_before=prepared.not_before,
        not_after=prepared.not_after,
        created_at=now,
    )


def _claim(acme: Acme, order: Order, csr: bytes, reserved: Certificate) -> Steps[bool]:
    """Take the order for issuance and put the serial on disk, if all that it rests on still holds."""
    if (yield from certificates.is_blocked(reserved.key_hash)):
        raise AcmeError(AcmeErrorType.BAD_CSR, "the CSR's key is blocked, since it was compromised: make a new key")
    now = acme.now()
    for one in (yield from authorizations.of_order(order.authorizations)):
        if authzs.as_of(one, now).status != states.Authorization.VALID:
            raise AcmeError(
                AcmeErrorType.UNAUTHORIZED,
                f"the authorization for {one.identifier_value} is no longer valid; make a new order",
                status=403,
            )
    states.check(states.Order.READY, states.Order.PROCESSING)
    claimed = yield from orders.claim(
        order.id,
        frm=states.Order.READY,
        to=states.Order.PROCESSING,
        csr=csr,
        serial=reserved.serial,
        now=now,
    )
    if claimed:
        yield from certificates.reserve(reserved)
    return claimed


async def _issue(acme: Acme, order: Order, prepared: issue.Prepared, asked: Event) -> Order:
    """Sign, and record the certificate with the order's end in one transaction; a failed signature ends it too."""
    began = acme.clock()
    try:
        issued = issue.sign(prepared, acme.authority)
    except Exception:
        _log.exception("a certificate could not be signed", order=order.id)
        return await acme.db.write(_fail(acme, order, "the CA could not sign the certificate; its log has the details"))
    serial = f"{issued.serial:x}"
    data = {"serial": serial, "profile": order.profile}
    signed = Event(began, "issued", "ca", detail="signed the certificate", ms=(acme.clock() - began) * 1000, data=data)

    def complete() -> Steps[Order]:
        states.check(states.Order.PROCESSING, states.Order.VALID)
        yield from certificates.store_signed(serial, issued.der)
        yield from orders.complete(order.id, frm=states.Order.PROCESSING, to=states.Order.VALID, serial=serial)
        yield from traces.append(order.id, (asked, signed))
        return msgspec.structs.replace(order, status=states.Order.VALID, serial=serial)

    return await acme.db.write(complete())


def _fail(acme: Acme, order: Order, detail: str) -> Steps[Order]:
    """End an order whose issuance failed, and return it."""
    states.check(states.Order.PROCESSING, states.Order.INVALID)
    problem = {"type": "urn:ietf:params:acme:error:serverInternal", "detail": detail}
    error = msgspec.json.encode(problem).decode()
    yield from orders.move(order.id, frm=states.Order.PROCESSING, to=states.Order.INVALID, error=error)
    yield from traces.append(order.id, (Event(acme.clock(), "failed", "ca", detail=detail),))
    return msgspec.structs.replace(order, status=states.Order.INVALID, error=error)
