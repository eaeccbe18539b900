"""Revocation (RFC 8555 section 7.6): by the issuing account, by one with authority over its names, or by its key."""

from __future__ import annotations

from collections.abc import Set

import msgspec
from cryptography import x509

from zonemint.acme import authorizations as authzs
from zonemint.acme import jws as jws_
from zonemint.acme import states
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.requests import ByAccount, ByKey
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.hash_chain import Detail
from zonemint.core.names import parent
from zonemint.core.trace import Event
from zonemint.pki.keys import spki_sha256
from zonemint.store import accounts, audit, authorizations, blocked_keys, certificates, orders, traces
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps

__all__ = ["holds", "record", "revoke"]

_KEY_COMPROMISE = 1
_ORDERS = 500  # orders whose authorizations count for a revocation
_AUTHORIZATIONS = 2000  # of them that are looked at
# RFC 5280 section 5.3.1, less the reasons that are a CA's to give: 2 cACompromise, 6 certificateHold, 8, 10.
_REASONS = frozenset({0, _KEY_COMPROMISE, 3, 4, 5, 9})


class _Revocation(msgspec.Struct, frozen=True):
    certificate: str
    reason: int = 0


async def revoke(acme: Acme, provisioner: Provisioner, signed: ByAccount | ByKey, source: str) -> None:
    """Revoke a certificate of ours; a request signed with its key also blocks the key. Raises AcmeError."""
    wanted = jws_.decode_payload(signed.payload, _Revocation)
    der = jws_.from_b64url(wanted.certificate, "the certificate")
    if wanted.reason not in _REASONS:
        raise AcmeError(
            AcmeErrorType.BAD_REVOCATION_REASON,
            f"the reason {wanted.reason} is not accepted; use one of {', '.join(map(str, sorted(_REASONS)))}",
        )
    certificate = await _find(acme, provisioner, der)
    by_key = isinstance(signed, ByKey) and spki_sha256(signed.key) == certificate.key_hash
    if not by_key and not await _has_authority(acme, signed, certificate):
        raise AcmeError(
            AcmeErrorType.UNAUTHORIZED,
            "neither the certificate's account or key nor an account with valid authorizations for all its names "
            "signed this request",
            status=403,
        )
    reason = _KEY_COMPROMISE if by_key else wanted.reason
    actor = f"account:{signed.account.id}" if isinstance(signed, ByAccount) else f"key:{certificate.key_hash}"
    if not await acme.db.write(record(certificate, reason, actor=actor, via=source, now=acme.clock())):
        raise AcmeError(AcmeErrorType.ALREADY_REVOKED, "the certificate is revoked already")
    acme.revoked()


def record(certificate: Certificate, reason: int, *, actor: str, via: str, now: float) -> Steps[bool]:
    """Revoke, tell it in the order's story, and block a compromised key; False when it was revoked before.

    `actor` is who it was for the audit log; `via` the address or the command by which it came.
    """
    serial, key = certificate.serial, certificate.key_hash
    if not (yield from certificates.revoke(serial, now=int(now), reason=reason)):
        return False
    told: Detail = {"names": certificate.names, "reason": reason, "via": via}
    facts = [audit.Fact(audit.Kind.CERTIFICATE_REVOKED, actor, serial, told)]
    if reason == _KEY_COMPROMISE and (yield from blocked_keys.block(key, now=int(now), reason="key compromise")):
        facts.append(audit.Fact(audit.Kind.KEY_BLOCKED, actor, key, {"serial": serial, "via": via}))
    if certificate.order_id is not None:
        story = Event(now, "revoked", via, "ca", f"revoked the certificate {serial}")
        yield from traces.append(certificate.order_id, (story,))
    yield from audit.append(*facts, now=now)
    return True


async def _find(acme: Acme, provisioner: Provisioner, der: bytes) -> Certificate:
    """Find the very certificate in the store, so that a forged one with a known serial is not ours.

    It must be of this provisioner. A node's own one, which no account ordered, is of each, and so is one whose
    provisioner is there no more.
    """
    try:
        serial = x509.load_der_x509_certificate(der).serial_number
    except (ValueError, x509.InvalidVersion) as error:
        raise AcmeError(AcmeErrorType.MALFORMED, "the certificate is not one in DER") from error
    certificate = await acme.db.read(certificates.by_serial(f"{serial:x}"))
    if certificate is None or certificate.der != der:
        raise AcmeError(AcmeErrorType.MALFORMED, "the certificate is not one of ours", status=404)
    if certificate.account_id is not None:
        account = await acme.db.read(accounts.by_id(certificate.account_id))
        issuer = acme.provisioners.get(account.provisioner) if account is not None else None
        if issuer is not None and issuer is not provisioner:
            where = issuer.urls.to("directory")
            raise AcmeError(AcmeErrorType.MALFORMED, f"the certificate is one of {where}: revoke it there", status=404)
    return certificate


async def _has_authority(acme: Acme, signed: ByAccount | ByKey, certificate: Certificate) -> bool:
    if isinstance(signed, ByKey):
        return False
    if certificate.account_id == signed.account.id:
        return True
    wanted = frozenset(certificate.names)
    return bool(wanted) and await acme.db.read(holds(signed.account.id, wanted, now=acme.now()))


def holds(account_id: str, wanted: frozenset[str], *, now: int) -> Steps[bool]:
    """Tell whether an account's newest orders have valid authorizations for all of some names, wildcards with `*.`.

    What is read is bounded: the store answers nobody else meanwhile.
    """
    missing, left = set(wanted), _AUTHORIZATIONS
    for order_id in (yield from orders.newest_of_account(account_id, limit=_ORDERS)):
        order = yield from orders.by_id(order_id)
        if order is None or not any(_touches(one.value, missing) for one in order.identifiers):
            continue
        left -= len(order.authorizations)
        if left < 0:
            return False
        for one in (yield from authorizations.of_order(order.authorizations)) or ():
            if authzs.as_of(one, now).status == states.Authorization.VALID:
                missing.discard(f"*.{one.identifier_value}" if one.wildcard else one.identifier_value)
        if not missing:
            return True
    return False


def _touches(name: str, wanted: Set[str]) -> bool:
    """Tell whether a name is among those wanted, or rests on one of them (RFC 9444)."""
    while name:
        if name in wanted:
            return True
        name = parent(name)
    return False
