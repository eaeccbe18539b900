"""Who may have an account with an ACME server, and may the one that is asked about order?"""

from __future__ import annotations

from collections.abc import AsyncIterator

from zonemint.acme import external_accounts, states, terms
from zonemint.acme.context import Provisioner
from zonemint.app.doctor.finding import Finding
from zonemint.core.errors import AcmeError
from zonemint.store import accounts, external_keys
from zonemint.store.accounts import Account
from zonemint.store.database import Database

__all__ = ["find", "needs"]


async def needs(db: Database, provisioner: Provisioner, now: float) -> AsyncIterator[Finding]:
    """Tell what accounts need that not everybody has."""
    if provisioner.networks:
        where = ", ".join(map(str, provisioner.networks))
        yield Finding.note("networks", f"accounts are made and used from {where} only")
    if provisioner.external_account_required:
        keys = await db.read(external_keys.listing())
        usable = [
            one for one in keys if one.provisioner == provisioner.name and external_accounts.status(one, now) == "valid"
        ]
        seen = f"a new account needs a key for external accounts; {len(usable) or 'none'} can be used"
        advice = "" if usable else f"make one: zonemint eab create --provisioner {provisioner.name}"
        yield Finding.note("new accounts", seen, advice)
    if provisioner.terms:
        yield Finding.note("terms", f"a new account must agree to {provisioner.terms}")


async def find(db: Database, provisioner: Provisioner, wanted: str) -> tuple[Account | None, Finding]:
    """Find an account by its id or its URL, and tell whether it may order; None when it may not."""
    what = f"the account {wanted}"
    account = await db.read(accounts.by_id(wanted.rpartition("/")[2]))
    if account is None or account.provisioner != provisioner.name:
        seen = f"{provisioner.urls.to('directory')} has no such account"
        return None, Finding.wrong(what, seen, "`zonemint orders list --json` has the accounts of orders")
    if account.status != states.Account.VALID:
        return None, Finding.wrong(what, f"it is {account.status}", "let the client register again, with a new key")
    try:
        terms.check(provisioner, account)
    except AcmeError as error:
        return None, Finding.wrong(what, error.detail, f"zonemint accounts agree {account.id}")
    return account, Finding.ok(what, f"it may order; it was made from {account.created_from}")
