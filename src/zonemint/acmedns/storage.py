"""Accounts that clients keep with us, as lego's storage over HTTP does: one for each domain, and the CNAME with it.

The password is sealed by the secret of the client's token (AES-256-GCM), so the store alone opens none.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zonemint.acmedns import accounts, scope
from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.tokens import Bearer
from zonemint.core.errors import AcmeDnsError, BadName
from zonemint.core.hash_chain import Detail
from zonemint.core.names import hostname, normalize
from zonemint.store import audit, tokens, txt, txt_storage
from zonemint.store.database import Lock, Steps
from zonemint.store.txt import TxtAccount
from zonemint.store.txt_storage import Stored

__all__ = ["Kept", "all_of", "fetch", "keep"]

_NONCE = 12  # octets
_LENGTH = 64  # characters of the longest password that is kept


class Kept(msgspec.Struct, frozen=True):
    """An account as its client reads it."""

    fulldomain: str
    subdomain: str
    username: str
    password: str
    server_url: str


async def fetch(acmedns: AcmeDns, bearer: Bearer, text: str) -> Kept:
    """Return the account of a domain; raises AcmeDnsError `not_found`."""
    domain = _domain(bearer, text)

    def read() -> Steps[tuple[Stored, TxtAccount] | None]:
        stored = yield from txt_storage.get(bearer.token.id, domain)
        account = None if stored is None else (yield from txt.by_subdomain(stored.subdomain))
        return None if stored is None or account is None else (stored, account)

    found = await acmedns.db.read(read())
    if found is None:
        raise AcmeDnsError("not_found", 404)
    return _opened(acmedns, bearer, *found)


async def all_of(acmedns: AcmeDns, bearer: Bearer) -> dict[str, Kept]:
    """Return every account that is kept under a token, by domain."""

    def read() -> Steps[list[tuple[Stored, TxtAccount]]]:
        found = []
        for stored in (yield from txt_storage.listing(bearer.token.id)):
            account = yield from txt.by_subdomain(stored.subdomain)
            if account is not None:
                found.append((stored, account))
        return found

    found = await acmedns.db.read(read())
    return {stored.domain: _opened(acmedns, bearer, stored, account) for stored, account in found}


async def keep(acmedns: AcmeDns, bearer: Bearer, text: str, body: dict[str, Any], source: str) -> bool:
    """Keep an account for a domain, limit it to that domain, and make the CNAME; tell whether that is ours to make.

    body: the account, with its keys in lower case; whoever sends it must have its password. Raises AcmeDnsError.
    """
    domain = _domain(bearer, text)
    username, password = body.get("username"), body.get("password")
    if not isinstance(username, str) or not isinstance(password, str) or len(password) > _LENGTH:
        raise AcmeDnsError("malformed_json_payload", 400)
    account = await accounts.authenticate(acmedns, username, password, source)
    if account is None or account.subdomain != body.get("subdomain") or not scope.covers(account.scope, domain):
        raise AcmeDnsError("forbidden", 403)
    sealed = _seal(bearer, domain, password)

    def also() -> Steps[None]:
        yield Lock(f"txt {account.subdomain}")
        now = yield from txt.by_username(account.username)
        token = yield from tokens.by_id(bearer.token.id)
        if token is None or now is None or now.key_hash != account.key_hash or not scope.covers(now.scope, domain):
            raise AcmeDnsError("forbidden", 403)  # by what an administrator did since they were looked at
        yield from txt_storage.put(bearer.token.id, Stored(domain, account.subdomain, sealed))
        if now.scope != (domain,):
            yield from txt.rescope(account.username, (domain,))
            told: Detail = {"scope": (domain,), "via": source}
            fact = audit.Fact(audit.Kind.TXT_ACCOUNT_SCOPED, bearer.actor, account.fulldomain, told)
            yield from audit.append(fact, now=acmedns.clock())

    return await acmedns.alias(domain, account.fulldomain, actor=bearer.actor, also=also)


def _domain(bearer: Bearer, text: str) -> str:
    try:
        domain = hostname(text)
        normalize(f"_acme-challenge.{domain}")  # which may be too long where the domain is not
    except BadName:
        raise AcmeDnsError("bad_domain", 400) from None
    # A token without names may register for all, and keeps for none: the right to make CNAMEs is always said.
    if not bearer.token.names or not scope.covers(bearer.token.names, domain):
        raise AcmeDnsError("forbidden", 403)
    return domain


def _opened(acmedns: AcmeDns, bearer: Bearer, stored: Stored, account: TxtAccount) -> Kept:
    try:
        password = (
            _cipher(bearer)
            .decrypt(stored.sealed[:_NONCE], stored.sealed[_NONCE:], stored.domain.encode("ascii"))
            .decode()
        )
    except InvalidTag:
        raise AcmeDnsError("not_found", 404) from None
    return Kept(account.fulldomain, account.subdomain, account.username, password, acmedns.server_url)


def _seal(bearer: Bearer, domain: str, password: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(bearer).encrypt(nonce, password.encode(), domain.encode("ascii"))


def _cipher(bearer: Bearer) -> AESGCM:
    return AESGCM(blake2b(bearer.secret.encode("ascii"), digest_size=32, person=b"zonemint storage").digest())
