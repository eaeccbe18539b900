"""Account resources (RFC 8555 section 7.3): find or make, read, update, deactivate, change the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from zonemint.acme import external_accounts, keys, states, terms
from zonemint.acme import jws as jws_
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.external_accounts import Binding
from zonemint.acme.requests import ByAccount, ByKey, check_network
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.core.hash_chain import Detail
from zonemint.core.ids import new_id
from zonemint.store import accounts, audit, orders
from zonemint.store.accounts import Account
from zonemint.store.database import Steps

__all__ = ["Found", "change_key", "find_or_make", "order_page", "render", "update"]

_PAGE = 100  # orders in one page of an account's list
_CONTACTS = 10
_MAILTO = re.compile(r"mailto:[^@\s,?&]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)


class _NewAccount(msgspec.Struct, frozen=True):
    contact: list[str] = []
    termsOfServiceAgreed: bool = False  # noqa: N815
    onlyReturnExisting: bool = False  # noqa: N815
    externalAccountBinding: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class _Update(msgspec.Struct, frozen=True):
    contact: list[str] | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


class _KeyChange(msgspec.Struct, frozen=True):
    account: str
    oldKey: dict[str, Any]  # noqa: N815


@dataclass(frozen=True, slots=True)
class Found:
    """An account and whether this request made it."""

    account: Account
    created: bool


async def find_or_make(acme: Acme, provisioner: Provisioner, signed: ByKey, url: str, source: str) -> Found:
    """Return the account of a key, made if need be (section 7.3); raises AcmeError."""
    check_network(provisioner, source)
    wanted = jws_.decode_payload(signed.payload, _NewAccount)
    known = await acme.db.read(accounts.by_thumbprint(provisioner.name, signed.jwk.thumbprint))
    if known is None:
        if wanted.onlyReturnExisting:
            raise AcmeError(AcmeErrorType.ACCOUNT_DOES_NOT_EXIST, "no account has this key")
        acme.limits.account(source)
        if provisioner.terms and not wanted.termsOfServiceAgreed:
            raise terms.not_agreed(provisioner)
        binding = await _bound(acme, provisioner, signed, wanted.externalAccountBinding, url)
        account = Account(
            id=new_id(),
            provisioner=provisioner.name,
            thumbprint=signed.jwk.thumbprint,
            jwk=signed.jwk.text,
            status=states.Account.VALID,
            contacts=_contacts(wanted.contact),
            terms_agreed_at=acme.now() if wanted.termsOfServiceAgreed else None,
            created_at=acme.now(),
            created_from=source,
            external_key=None if binding is None else binding.key.id,
            binding=None if binding is None else binding.text,
            terms=provisioner.terms,
        )
        known = await acme.db.write(_make(acme, account, binding))
        if known is account:
            return Found(account, True)
    if known.status != states.Account.VALID:
        raise AcmeError(AcmeErrorType.UNAUTHORIZED, f"the account of this key is {known.status}", status=401)
    return Found(known, False)


async def update(acme: Acme, account: Account, payload: bytes, source: str) -> Account:
    """Change contacts or deactivate (sections 7.3.2 and 7.3.6); POST-as-GET changes nothing. Raises AcmeError."""
    if not payload:
        return account
    wanted = jws_.decode_payload(payload, _Update)
    contacts = account.contacts if wanted.contact is msgspec.UNSET else _contacts(wanted.contact)
    status = account.status
    # Any other status is ignored, as section 7.3.2 has it.
    if wanted.status == states.Account.DEACTIVATED and account.status != states.Account.DEACTIVATED:
        states.check(states.Account(account.status), states.Account.DEACTIVATED)
        status = states.Account.DEACTIVATED
    await acme.db.write(_update(acme, account, status, contacts, source))
    return msgspec.structs.replace(account, status=status, contacts=contacts)


async def change_key(acme: Acme, provisioner: Provisioner, signed: ByAccount, url: str, source: str) -> Account:
    """Give an account the key that signed the inner JWS (section 7.3.5); raises AcmeError, 409 when it is in use."""
    inner = jws_.parse(signed.payload)
    if inner.protected.jwk is None:
        raise AcmeError(AcmeErrorType.MALFORMED, "the inner JWS must carry the new key as 'jwk'")
    if inner.protected.nonce is not None:
        raise AcmeError(AcmeErrorType.MALFORMED, "the inner JWS must not have a nonce")
    if inner.protected.url != url:
        raise AcmeError(AcmeErrorType.MALFORMED, "the inner JWS must have the url of the outer one")
    new = keys.canonical(inner.protected.jwk)
    jws_.verify(inner, keys.load(new.text))
    wanted = jws_.decode_payload(inner.payload, _KeyChange)
    if wanted.account != provisioner.urls.account(signed.account.id):
        raise AcmeError(AcmeErrorType.MALFORMED, "the inner 'account' is not the account that signed the outer JWS")
    if keys.canonical(wanted.oldKey).thumbprint != signed.account.thumbprint:
        raise AcmeError(AcmeErrorType.MALFORMED, "'oldKey' is not the account's present key")

    def rekey() -> Steps[Account | None]:
        holder = yield from accounts.by_thumbprint(provisioner.name, new.thumbprint)
        if holder is not None:
            return holder
        id_, was = signed.account.id, signed.account.thumbprint
        if not (yield from accounts.rekey(id_, was=was, thumbprint=new.thumbprint, jwk=new.text)):
            raise _changed_meanwhile()
        told: Detail = {"thumbprint": new.thumbprint, "was": was, "via": source}
        yield from audit.append(_fact(audit.Kind.ACCOUNT_REKEYED, id_, told), now=acme.clock())
        return None

    holder = await acme.db.write(rekey())
    if holder is not None:
        raise AcmeError(
            AcmeErrorType.MALFORMED,
            "the new key belongs to an account already",
            status=409,
            headers={"Location": provisioner.urls.account(holder.id)},
        )
    return msgspec.structs.replace(signed.account, thumbprint=new.thumbprint, jwk=new.text)


async def order_page(acme: Acme, provisioner: Provisioner, account: Account, after: str) -> tuple[dict[str, Any], str]:
    """Return one page of an account's orders and the URL of the next, or an empty text (section 7.1.2.1)."""
    ids = await acme.db.read(orders.of_account(account.id, after=after, limit=_PAGE + 1))
    following = provisioner.urls.orders(account.id, ids[_PAGE - 1]) if len(ids) > _PAGE else ""
    return {"orders": [provisioner.urls.order(order_id) for order_id in ids[:_PAGE]]}, following


def render(provisioner: Provisioner, account: Account) -> dict[str, Any]:
    """Return the account object that a client sees (section 7.1.2)."""
    rendered: dict[str, Any] = {
        "status": account.status,
        "contact": list(account.contacts),
        "orders": provisioner.urls.orders(account.id),
    }
    if account.binding is not None:
        rendered["externalAccountBinding"] = msgspec.Raw(account.binding.encode())
    if account.terms_agreed_at is not None:
        rendered["termsOfServiceAgreed"] = True
    return rendered


async def _bound(
    acme: Acme, provisioner: Provisioner, signed: ByKey, given: msgspec.Raw | msgspec.UnsetType, url: str
) -> Binding | None:
    """Return what binds a new account to a key for external accounts, if anything does; raises AcmeError.

    A binding that nobody asked for is held against its key all the same: who sends one means it.
    """
    if not isinstance(given, msgspec.UnsetType) and bytes(given) != b"null":
        return await acme.db.read(
            external_accounts.check(bytes(given), provisioner=provisioner.name, url=url, jwk=signed.jwk, now=acme.now())
        )
    if provisioner.external_account_required:
        raise AcmeError(
            AcmeErrorType.EXTERNAL_ACCOUNT_REQUIRED,
            "accounts are made here with a key for external accounts: ask for one, a key identifier and an HMAC key",
        )
    return None


def _make(acme: Acme, account: Account, binding: Binding | None) -> Steps[Account]:
    """Add an account, unless its key has one already, and return the one that it then has."""
    known = yield from accounts.insert(account)
    if known is account:
        told: Detail = {
            "provisioner": account.provisioner,
            "thumbprint": account.thumbprint,
            "via": account.created_from,
        }
        facts = [_fact(audit.Kind.ACCOUNT_CREATED, account.id, told)]
        if binding is not None:
            yield from external_accounts.bind(binding, now=acme.now())
            used: Detail = {"account": account.id, "label": binding.key.label, "via": account.created_from}
            facts.append(audit.Fact(audit.Kind.EAB_KEY_USED, f"account:{account.id}", binding.key.id, used))
        yield from audit.append(*facts, now=acme.clock())
    return known


def _update(acme: Acme, account: Account, status: str, contacts: tuple[str, ...], source: str) -> Steps[None]:
    if not (yield from accounts.update(account.id, was=account.status, status=status, contacts=contacts)):
        raise _changed_meanwhile()
    facts = []
    if contacts != account.contacts:
        # Not the addresses: nobody could take a person's out of the log again.
        told: Detail = {"contacts": len(contacts), "via": source}
        facts.append(_fact(audit.Kind.ACCOUNT_CONTACTS, account.id, told))
    if status != account.status:
        facts.append(_fact(audit.Kind.ACCOUNT_DEACTIVATED, account.id, {"via": source}))
    if facts:
        yield from audit.append(*facts, now=acme.clock())


def _fact(kind: audit.Kind, account_id: str, told: Detail) -> audit.Fact:
    return audit.Fact(kind, f"account:{account_id}", account_id, told)


def _changed_meanwhile() -> AcmeError:
    """What another request did to the account since this one was verified holds, and this one does not undo it."""
    return AcmeError(
        AcmeErrorType.UNAUTHORIZED, "the account was given up or got another key while this request came", status=401
    )


def _contacts(contacts: list[str]) -> tuple[str, ...]:
    if len(contacts) > _CONTACTS:
        raise AcmeError(AcmeErrorType.INVALID_CONTACT, f"an account has at most {_CONTACTS} contacts")
    for contact in contacts:
        if not contact.lower().startswith("mailto:"):
            raise AcmeError(
                AcmeErrorType.UNSUPPORTED_CONTACT, f"'{contact[:100]}' is not supported: contacts are mailto: URLs"
            )
        if not _MAILTO.fullmatch("mailto:" + contact[7:]):
            raise AcmeError(
                AcmeErrorType.INVALID_CONTACT, f"'{contact[:100]}' is not mailto: with one plain address and no more"
            )
    return tuple(contacts)
