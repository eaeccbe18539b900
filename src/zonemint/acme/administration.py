"""What administrators do to ACME accounts."""

from __future__ import annotations

from zonemint.acme import states
from zonemint.store import accounts, audit
from zonemint.store.database import Steps

__all__ = ["agree", "deactivate"]


def agree(account_id: str, terms: str, *, actor: str, via: str, now: float) -> Steps[bool | None]:
    """Note that an account's holder agrees to the terms of service (section 7.3.3), by their URL.

    Tell whether that is new; None when there is no such account.
    """
    if (yield from accounts.by_id(account_id)) is None:
        return None
    if not (yield from accounts.agree(account_id, terms=terms, now=int(now))):
        return False
    fact = audit.Fact(audit.Kind.ACCOUNT_AGREED, actor, account_id, {"terms": terms, "via": via})
    yield from audit.append(fact, now=now)
    return True


def deactivate(account_id: str, *, actor: str, via: str, now: float) -> Steps[bool | None]:
    """End an account: it can order and revoke no more (RFC 8555 section 7.3.6).

    Tell whether it was valid until now; None when there is no such account.
    """
    account = yield from accounts.by_id(account_id)
    if account is None:
        return None
    if account.status != states.Account.VALID:
        return False
    states.check(states.Account.VALID, states.Account.DEACTIVATED)
    ended = yield from accounts.update(
        account_id, was=account.status, status=states.Account.DEACTIVATED, contacts=account.contacts
    )
    if ended:
        fact = audit.Fact(audit.Kind.ACCOUNT_DEACTIVATED, actor, account_id, {"via": via})
        yield from audit.append(fact, now=now)
    return ended
