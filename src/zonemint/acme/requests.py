"""Who sends a request: every rule of RFC 8555 sections 6.2 to 6.5, in one place, before anything is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from zonemint.acme import jws as jws_
from zonemint.acme import keys, states
from zonemint.acme.context import Acme, Provisioner
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.hosts import address_of
from zonemint.store import accounts
from zonemint.store.accounts import Account

__all__ = [
    "ByAccount",
    "ByKey",
    "Request",
    "authenticate",
    "authenticate_account",
    "authenticate_key",
    "check_network",
    "spend_nonce",
]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP POST: its body, the URL that it was sent to (by the configured external URL), the client's address."""

    provisioner: Provisioner
    url: str
    body: bytes
    source: str


@dataclass(frozen=True, slots=True)
class ByAccount:
    """A verified request of an account; an empty payload is POST-as-GET."""

    account: Account
    key: keys.PublicKey
    payload: bytes


@dataclass(frozen=True, slots=True)
class ByKey:
    """A verified request that carries its key."""

    jwk: keys.Jwk
    key: keys.PublicKey
    payload: bytes


async def authenticate(acme: Acme, request: Request) -> ByAccount | ByKey:
    """Verify a request signed by an account or by the key that it carries; raises AcmeError."""
    jws = jws_.parse(request.body)
    if jws.protected.url != request.url:
        raise AcmeError(
            AcmeErrorType.UNAUTHORIZED,
            f"the header has the url '{(jws.protected.url or '')[:200]}', and the request went to '{request.url}'",
            status=401,
        )
    if jws.protected.jwk is not None:
        jwk = keys.canonical(jws.protected.jwk)
        key = keys.load(jwk.text)
        jws_.verify(jws, key)
        await spend_nonce(acme, jws)
        return ByKey(jwk, key, jws.payload)
    check_network(request.provisioner, request.source)
    account = await _find(acme, request.provisioner, jws.protected.kid or "")
    key = keys.load(account.jwk)
    jws_.verify(jws, key)
    await spend_nonce(acme, jws)
    if account.status != states.Account.VALID:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, f"the account is {account.status}", status=401)
    return ByAccount(account, key, jws.payload)


async def authenticate_account(acme: Acme, request: Request) -> ByAccount:
    """Verify a request that must be signed by an account; raises AcmeError."""
    signed = await authenticate(acme, request)
    if isinstance(signed, ByKey):
        raise AcmeError(AcmeErrorType.MALFORMED, "this resource takes requests with 'kid', and this one has 'jwk'")
    return signed


async def authenticate_key(acme: Acme, request: Request) -> ByKey:
    """Verify a request that must carry its key; raises AcmeError."""
    signed = await authenticate(acme, request)
    if isinstance(signed, ByAccount):
        raise AcmeError(AcmeErrorType.MALFORMED, "this resource takes requests with 'jwk', and this one has 'kid'")
    return signed


def check_network(provisioner: Provisioner, source: str) -> None:
    """Refuse an address that accounts are not used from; raises AcmeError.

    Who has a certificate's key may revoke it from anywhere, so this is not asked of requests that carry their key.
    """
    if not provisioner.networks:
        return
    address = address_of(source)
    if address is None or not any(address in network for network in provisioner.networks):
        raise AcmeError(
            AcmeErrorType.UNAUTHORIZED, f"accounts of this ACME server are not for use from {source}", status=403
        )


async def spend_nonce(acme: Acme, jws: jws_.Jws) -> None:
    """Use the request's nonce up (section 6.5.2); raises AcmeError badNonce, or malformed for a foreign alphabet."""
    nonce = jws.protected.nonce
    if nonce is None:
        raise AcmeError(AcmeErrorType.BAD_NONCE, "the protected header has no nonce; use the one of this reply")
    jws_.from_b64url(nonce, "the nonce")
    if not await acme.nonces.redeem(nonce):
        raise AcmeError(
            AcmeErrorType.BAD_NONCE, "the nonce was used, has expired or is not ours; use the one of this reply"
        )


async def _find(acme: Acme, provisioner: Provisioner, kid: str) -> Account:
    account_id = provisioner.urls.account_of(kid)
    account = None if account_id is None else await acme.db.read(accounts.by_id(account_id))
    if account is None or account.provisioner != provisioner.name:
        raise AcmeError(AcmeErrorType.ACCOUNT_DOES_NOT_EXIST, f"there is no account '{kid[:200]}' here; register first")
    return account
