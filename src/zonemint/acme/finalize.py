"""Finalizing an order (RFC 8555 section 7.4) and downloading what came of it (section 7.4.2)."""

from __future__ import annotations

import msgspec

from zonemint.acme import handover, issuance, states, story
from zonemint.acme import jws as jws_
from zonemint.acme import orders as orders_
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.requests import ByAccount
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.trace import Event
from zonemint.pki import issue
from zonemint.pki.keys import spki_sha256
from zonemint.store import certificates, traces
from zonemint.store.orders import Order

__all__ = ["download", "finalize"]


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
    account_key = spki_sha256(signed.key)
    url = provisioner.urls.finalize(order.id)
    asked = story.request(acme.clock(), "finalize", source, url, f"sent a CSR ({len(der)} octets)")
    try:
        csr = issuance.check(acme, provisioner, order, der, account_key)
        if acme.authority.can_sign:
            return await issuance.complete(acme, provisioner, order, csr, asked, via=source)
        return await handover.hand_over(acme, order, csr, der, account_key, asked)
    except AcmeError as error:
        refused = Event(acme.clock(), "refused", "ca", source, error.detail)
        acme.db.write_soon(traces.append(order.id, (asked, refused), minor=True))
        raise


async def download(acme: Acme, signed: ByAccount, serial: str, which: str, source: str) -> tuple[bytes, list[int]]:
    """Return a certificate's PEM chain, leaf first, to the account that ordered it, and which others there are.

    Chain 0 leads to the preferred root (RFC 8555 section 7.4.2). Raises AcmeError 404, 403.
    """
    certificate = await acme.db.read(certificates.by_serial(serial))
    if certificate is None or certificate.der is None or certificate.order_id is None:
        raise AcmeError(AcmeErrorType.MALFORMED, "there is no such certificate", status=404)
    if certificate.account_id != signed.account.id:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, "the certificate is another account's", status=403)
    issuer = await acme.issuer_of(certificate)
    chains = range(len(issuer.chains) if issuer else 0)
    wanted = next((one for one in chains if str(one) == which), None)
    if issuer is None or wanted is None:
        raise AcmeError(AcmeErrorType.MALFORMED, "the certificate has no such chain", status=404)
    url = acme.provisioners[signed.account.provisioner].urls.certificate(serial, wanted)
    fetched = story.request(acme.clock(), "download", source, url, "fetched the certificate and its chain")
    acme.db.write_soon(traces.append(certificate.order_id, (fetched,), minor=True))
    return issue.pem(certificate.der) + issuer.chain_pem(wanted), [one for one in chains if one != wanted]
