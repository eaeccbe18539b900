"""Accounts of the acme-dns API: registered, and recognised again."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import ip_network

import msgspec

from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.old_keys import is_old
from zonemint.core.errors import AcmeDnsError
from zonemint.core.hash_chain import Detail
from zonemint.core.hosts import address_of
from zonemint.core.ids import random_text
from zonemint.store import audit, txt, txt_import
from zonemint.store.database import Steps
from zonemint.store.txt import TxtAccount

__all__ = ["Credentials", "authenticate", "insert", "may_register", "new", "register", "rekeyed"]

_PASSWORD_OCTETS = 30  # 40 characters of base64url
_PASSWORD_LENGTH = 40
_ALLOWED = 100  # networks in `allowfrom`
_REFUSAL = 0.3  # seconds until a refusal, whatever was looked at: longer than a check of an old key
_SCHEME = "blake2b$"
# Verified in place of an unknown account's, so that the time of a refusal does not tell which it was.
_NO_ACCOUNT = _SCHEME + "0" * 64


class Credentials(msgspec.Struct, frozen=True):
    """What a registration returns, in the order that acme-dns writes it; the only time that the password is seen."""

    username: str
    password: str
    fulldomain: str
    subdomain: str
    allowfrom: tuple[str, ...]


def may_register(acmedns: AcmeDns, source: str) -> bool:
    """Tell whether a client at this address may register without a token."""
    address = address_of(source)
    return address is not None and any(address in network for network in acmedns.registrars or ())


async def register(
    acmedns: AcmeDns,
    allow_from: Sequence[str],
    source: str,
    *,
    zone: str | None = None,
    scope: Sequence[str] = (),
    actor: str = "",
) -> Credentials:
    """Make and store an account with a random name in an auth zone; raises AcmeDnsError invalid_allowfrom_cidr.

    scope: the names that it is for, none is all; actor: who asked, for the audit log, by default the address.
    """
    account, credentials = new(zone or acmedns.zones[0], allow_from, source, now_ms=acmedns.now_ms(), scope=scope)
    await acmedns.db.write(insert(account, actor=actor or f"address:{source}"))
    return credentials


def insert(account: TxtAccount, *, actor: str) -> Steps[None]:
    """Store an account and record that it was made."""
    yield from txt.insert(account)
    told: Detail = {"allowfrom": account.allow_from, "via": account.created_from}
    if account.scope:
        told["scope"] = account.scope
    fact = audit.Fact(audit.Kind.TXT_ACCOUNT_REGISTERED, actor, account.fulldomain, told)
    yield from audit.append(fact, now=account.created_ms / 1000)


def new(
    zone: str, allow_from: Sequence[str], source: str, *, now_ms: int, scope: Sequence[str] = ()
) -> tuple[TxtAccount, Credentials]:
    """Return an account, not yet stored, and what its owner is told; raises AcmeDnsError invalid_allowfrom_cidr."""
    password = random_text(_PASSWORD_OCTETS)
    username = str(uuid.uuid4())
    account = TxtAccount(
        username=username,
        key_hash=_hash(username, password),
        zone=zone,
        subdomain=str(uuid.uuid4()),
        allow_from=_networks(allow_from),
        created_ms=now_ms,
        created_from=source,
        scope=tuple(scope),
    )
    return account, _credentials(account, password)


def rekeyed(account: TxtAccount) -> tuple[str, Credentials]:
    """Return the hash of another key for an account, not yet stored, and what its owner is told."""
    password = random_text(_PASSWORD_OCTETS)
    return _hash(account.username, password), _credentials(account, password)


async def authenticate(acmedns: AcmeDns, user: str, key: str, source: str) -> TxtAccount | None:
    """Return the account of a user name (any spelling of a UUID) and key, if its address may use it.

    Unknown user and wrong key are refused after the same time, whichever kind of hash the account has. Raises
    AcmeDnsError `too_many_requests` when so many old keys are checked that nobody can be told.
    """
    refused_at = asyncio.get_running_loop().time() + _REFUSAL
    is_busy = acmedns.old_keys.is_full
    account = await _recognised(acmedns, user, key, source)
    if account is None:
        await asyncio.sleep(refused_at - asyncio.get_running_loop().time())
        if is_busy:
            raise AcmeDnsError("too_many_requests", 429)
    return account


async def _recognised(acmedns: AcmeDns, user: str, key: str, source: str) -> TxtAccount | None:
    try:
        username = str(uuid.UUID(user))
    except ValueError:
        username = ""
    account = await acmedns.db.read(txt.by_username(username))
    expected = _NO_ACCOUNT if account is None else account.key_hash
    if account is not None and is_old(expected):
        matches = await acmedns.old_keys.matches(expected, key)
        if matches:
            account = msgspec.structs.replace(account, key_hash=_hash(username, key))
            await acmedns.db.write(txt_import.take_key(username, was=expected, key_hash=account.key_hash))
    else:
        matches = secrets.compare_digest(_hash(username, key), expected)
    if not matches or account is None or len(key) != _PASSWORD_LENGTH:
        return None
    return account if _may_come_from(account, source) else None


def _may_come_from(account: TxtAccount, source: str) -> bool:
    if not account.allow_from:
        return True
    address = address_of(source)
    return address is not None and any(address in ip_network(one) for one in account.allow_from)


def _credentials(account: TxtAccount, password: str) -> Credentials:
    return Credentials(account.username, password, account.fulldomain, account.subdomain, account.allow_from)


def _hash(username: str, password: str) -> str:
    """Hash a key: it is 240 random bits, so one pass of a fast hash, salted by the account, keeps it secret."""
    salt = username.replace("-", "")[:16].encode("ascii")
    return _SCHEME + blake2b(password.encode("utf-8", "surrogatepass"), digest_size=32, salt=salt).hexdigest()


def _networks(texts: Sequence[str]) -> tuple[str, ...]:
    """Check `allowfrom`: CIDR notation only, IPv6 possibly in brackets; host bits are masked away as in acme-dns."""
    if len(texts) > _ALLOWED:
        raise AcmeDnsError("invalid_allowfrom_cidr", 400)
    checked = []
    for text in texts:
        plain = text.replace("[", "").replace("]", "")
        try:
            if "/" not in plain:
                raise ValueError(plain)
            ip_network(plain, strict=False)
        except ValueError:
            raise AcmeDnsError("invalid_allowfrom_cidr", 400) from None
        checked.append(plain)
    return tuple(checked)
