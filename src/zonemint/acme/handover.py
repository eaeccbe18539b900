"""Issuance on a node without the CA's key: the CSR waits in the store until a node with the key has signed it.

The order is `processing` meanwhile (RFC 8555 section 7.1.6), which a client waits for as it does with any CA.
"""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from zonemint.acme import caa, issuance, states
from zonemint.acme import orders as orders_
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.problem import document
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.ids import new_id
from zonemint.core.trace import Event
from zonemint.pki.csr import Csr
from zonemint.store import orders, signings, traces
from zonemint.store.database import Steps
from zonemint.store.orders import Order
from zonemint.store.signings import Signing

__all__ = ["hand_over", "sign"]

_LOOK = 0.1  # seconds between looks whether the other node has signed
_LOOKS = 15

_log = structlog.get_logger()


async def hand_over(acme: Acme, order: Order, csr: Csr, der: bytes, account_key: str, asked: Event) -> Order:
    """Leave a checked CSR to a node with the key; return the order as it stands a moment later. Raises AcmeError."""
    signing = Signing(new_id(), order.id, (), der, account_key, asked.actor, int(asked.at))

    def steps() -> Steps[None]:
        yield from issuance.ensure_valid(acme, order, csr)
        states.check(states.Order.READY, states.Order.PROCESSING)
        if (
            yield from orders.claim(
                order.id, frm=states.Order.READY, to=states.Order.PROCESSING, serial=order.serial, now=acme.now()
            )
        ):
            yield from signings.add(signing)
            yield from traces.append(order.id, (asked,))

    while True:
        try:
            await acme.db.write(steps())
            break
        except caa.Unchecked:
            await caa.look_again(acme, order)
    for _ in range(_LOOKS):
        order = await orders_.find_again(acme, order.id)
        if order.status != states.Order.PROCESSING:
            break
        await asyncio.sleep(_LOOK)
    return order


async def sign(acme: Acme, signing: Signing) -> None:
    """Issue the certificate of an order that another node has left to us; raises StoreError."""
    order = await orders_.find_again(acme, signing.order_id or "")
    if order.status != states.Order.PROCESSING:
        await acme.db.write(signings.remove_of_order(order.id))
        return
    taken = Event(acme.clock(), "handed-over", "ca", detail="signs for a node without the CA's key")
    try:
        # All is checked again: the row is another node's word, and what is signed is ours.
        provisioner = _provisioner(acme, order)
        csr = issuance.check(acme, provisioner, order, signing.csr, signing.account_key)
        via = signing.requested_from
        await issuance.complete(acme, provisioner, order, csr, taken, via=via)
    except AcmeError as error:
        _log.warning("an order of another node was refused", order=order.id, why=error.detail)
        await acme.db.write(_refuse(acme, order, error, signing.requested_from))


def _provisioner(acme: Acme, order: Order) -> Provisioner:
    """Return whose order it is; raises AcmeError when there is none of that name here."""
    provisioner = acme.provisioners.get(order.provisioner)
    if provisioner is None:
        raise AcmeError(
            AcmeErrorType.UNAUTHORIZED,
            f"the node with the CA's key has no provisioner '{order.provisioner}': its settings differ",
        )
    return provisioner


def _refuse(acme: Acme, order: Order, error: AcmeError, via: str) -> Steps[None]:
    states.check(states.Order.PROCESSING, states.Order.INVALID)
    problem = msgspec.json.encode(document(error)).decode()
    refused = yield from orders.move(order.id, frm=states.Order.PROCESSING, to=states.Order.INVALID, error=problem)
    yield from signings.remove_of_order(order.id)
    yield from traces.append(order.id, (Event(acme.clock(), "failed", "ca", detail=error.detail),))
    if refused:
        yield from issuance.record_failure(acme, order, error.detail, via)
