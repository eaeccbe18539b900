"""What administrators do to accounts of the acme-dns API, each recorded in the transaction that does it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec

from zonemint.acmedns import accounts
from zonemint.acmedns.accounts import Credentials
from zonemint.core.hash_chain import Detail
from zonemint.store import audit, records, txt
from zonemint.store.database import Lock, Steps
from zonemint.store.txt import TxtAccount

__all__ = ["delete", "find", "rescope", "rotate"]


def find(text: str) -> Steps[TxtAccount | None]:
    """Find an account by its user name in any spelling, its subdomain, or its whole name in the auth zone."""
    label, _, zone = text.lower().removesuffix(".").partition(".")
    try:
        name = str(uuid.UUID(label))
    except ValueError:
        name = label  # an account that another server made may be called otherwise
    account = None if zone else (yield from txt.by_username(name))
    if account is None:
        account = yield from txt.by_subdomain(name)
    return None if account is None or zone not in ("", account.zone) else account


def delete(account: TxtAccount, *, actor: str, via: str, now: float) -> Steps[list[str] | None]:
    """Remove an account, its values and the CNAMEs of ours that lead to it; return whose those were.

    None when the account is gone already. CNAMEs in zone files and in other servers' zones stay, and lead nowhere.
    """
    for zone in sorted({alias.zone for alias in (yield from records.aliases_to(account.fulldomain))}):
        yield Lock(f"zone {zone}")
    if not (yield from txt.remove(account.subdomain)):
        return None
    # Read again: storage may have made one while we waited for the account's lock, and makes none from now on.
    aliases = yield from records.aliases_to(account.fulldomain)
    facts = []
    for alias in aliases:
        if (yield from records.remove(alias.zone, alias.name, alias.type, alias.data)):
            told: Detail = {"zone": alias.zone, "type": alias.type, "data": alias.data, "ttl": alias.ttl}
            facts.append(audit.Fact(audit.Kind.RECORD_REMOVED, actor, alias.name, told))
    for zone in sorted({alias.zone for alias in aliases}):
        yield from records.bump(zone)
    facts.append(audit.Fact(audit.Kind.TXT_ACCOUNT_DELETED, actor, account.fulldomain, {"via": via}))
    yield from audit.append(*facts, now=now)
    return [alias.name for alias in aliases]


def rotate(account: TxtAccount, *, actor: str, via: str, now: float) -> Steps[Credentials | None]:
    """Give an account another key, and return what its owner is told; None when another one did it meanwhile."""
    key_hash, credentials = accounts.rekeyed(account)
    yield Lock(f"txt {account.subdomain}")
    if not (yield from txt.rotate(account.username, was=account.key_hash, key_hash=key_hash)):
        return None
    fact = audit.Fact(audit.Kind.TXT_ACCOUNT_ROTATED, actor, account.fulldomain, {"via": via})
    yield from audit.append(fact, now=now)
    return credentials


def rescope(account: TxtAccount, names: Sequence[str], *, actor: str, via: str, now: float) -> Steps[TxtAccount | None]:
    """Say which names an account may answer for, none for all; None when it is gone."""
    scope = tuple(names)
    yield Lock(f"txt {account.subdomain}")
    if not (yield from txt.rescope(account.username, scope)):
        return None
    told: Detail = {"scope": scope, "via": via}
    yield from audit.append(audit.Fact(audit.Kind.TXT_ACCOUNT_SCOPED, actor, account.fulldomain, told), now=now)
    return msgspec.structs.replace(account, scope=scope)
