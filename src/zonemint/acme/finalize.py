"""Finalizing an order (RFC 8555 section 7.4) and downloading what came of it (section 7.4.2).

One transaction claims the order, signs and records: whoever loses a race sees the order as the winner left it, and a
crash leaves it ready. The serial is on disk before the key is used, since it is reserved with the order; it is used
only by the process that reserved it, so a signature that a crash cut off never shares its serial with another.
"""

from __future__ import annotations

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

__all__ = ["download", "finalize"]

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
    csr = _check(order, der, spki_sha256(signed.key))
    asked = Event(acme.clock(), "finalize", source, "ca", f"sent a CSR ({len(der)} octets)")
    while order.status == states.Order.READY:
        order = await _with_fresh_serial(acme, order)
        finished = await acme.db.write(_issue(acme, provisioner, order, csr, asked))
        if finished is not None:
            acme.used_serials.discard(order.serial)
            if finished.status == states.Order.VALID:
                names = [one.value for one in order.identifiers]
                _log.info("issued a certificate", order=order.id, serial=order.serial, names=names)
            return finished
        order = await orders_.find(acme, provisioner, signed.account, order_id)
    return order


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


async def _with_fresh_serial(acme: Acme, order: Order) -> Order:
    """Reserve another serial, on disk, when a process that is gone or a commit that failed may have used this one.

    Who loses a race for it returns the order as it was: its serial is refused when it is to be used.
    """
    if _is_fresh(acme, order):
        return order
    fresh = msgspec.structs.replace(order, serial=f"{new_serial():x}", reserved_by=acme.process)
    steps = orders.reserve(
        order.id, while_=states.Order.READY, serial=fresh.serial, reserved_by=acme.process, instead_of=order.serial
    )
    return fresh if await acme.db.write(steps) else order


def _is_fresh(acme: Acme, order: Order) -> bool:
    """Tell whether nothing was ever signed with the order's serial: we alone may, and have not."""
    return order.reserved_by == acme.process and order.serial not in acme.used_serials


def _check(order: Order, der: bytes, account_key: str) -> csr_.Csr:
    """Hold the request against the order; raises AcmeError badCSR."""
    try:
        return csr_.check(
            der,
            names=frozenset(one.value for one in order.identifiers if one.type == "dns"),
            ips=frozenset(one.value for one in order.identifiers if one.type == "ip"),
            forbidden_keys={account_key: "is the account's own key"},
        )
    except CsrError as error:
        raise AcmeError(AcmeErrorType.BAD_CSR, str(error)) from error


def _issue(acme: Acme, provisioner: Provisioner, order: Order, csr: csr_.Csr, asked: Event) -> Steps[Order | None]:
    """Claim the order, sign, and record both, if all that it rests on still holds; None when it was not to be had."""
    if (yield from certificates.is_blocked(csr.spki_sha256)):
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
    serial = order.serial
    # Another request for this order may have signed since, and its commit failed.
    if not _is_fresh(acme, order):
        return None
    if not (yield from orders.claim(order.id, frm=states.Order.READY, to=states.Order.VALID, serial=serial, now=now)):
        return None
    began = acme.clock()
    acme.used_serials.add(serial)
    try:
        prepared = _prepare(provisioner, order, csr, now)
        issued = issue.sign(prepared, acme.authority)
    except Exception as error:
        _log.exception("a certificate could not be signed", order=order.id)
        detail = str(error) if isinstance(error, IssuanceError) else "the CA could not sign; its log has the details"
        return (yield from _fail(acme, order, detail))
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
        )
    )
    yield from traces.append(order.id, (asked, signed))
    return msgspec.structs.replace(order, status=states.Order.VALID)


def _prepare(provisioner: Provisioner, order: Order, csr: csr_.Csr, now: int) -> issue.Prepared:
    return issue.prepare(
        provisioner.profiles[order.profile],
        names=[one.value for one in order.identifiers if one.type == "dns"],
        ips=[one.value for one in order.identifiers if one.type == "ip"],
        public_key=csr.public_key,
        serial=int(order.serial, 16),
        now=now,
        not_before=order.not_before,
        not_after=order.not_after,
    )


def _fail(acme: Acme, order: Order, detail: str) -> Steps[Order]:
    """End an order whose issuance failed, and return it."""
    states.check(states.Order.PROCESSING, states.Order.INVALID)
    problem = {"type": "urn:ietf:params:acme:error:serverInternal", "detail": detail}
    error = msgspec.json.encode(problem).decode()
    yield from orders.move(order.id, frm=states.Order.VALID, to=states.Order.INVALID, error=error)
    yield from traces.append(order.id, (Event(acme.clock(), "failed", "ca", detail=detail),))
    return msgspec.structs.replace(order, status=states.Order.INVALID, error=error)
