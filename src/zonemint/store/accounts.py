"""ACME accounts (RFC 8555 section 7.1.2)."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = [
    "Account",
    "agree",
    "by_id",
    "by_thumbprint",
    "insert",
    "listing",
    "of_external_key",
    "rekey",
    "update",
]


class Account(msgspec.Struct, frozen=True):
    """A row: `jwk` is the public key's canonical JSON, `thumbprint` its RFC 7638 name; times in seconds.

    `external_key` is the key for external accounts that it was bound with, by the JWS `binding`; `terms` the URL of the
    terms of service that it agreed to.
    """

    id: str
    provisioner: str
    thumbprint: str
    jwk: str
    status: str
    contacts: tuple[str, ...]
    terms_agreed_at: int | None
    created_at: int
    created_from: str
    external_key: str | None = None
    binding: str | None = None
    terms: str = ""


_COLUMNS = (
    "id, provisioner, thumbprint, jwk, status, contacts, terms_agreed_at, created_at, created_from, "
    "external_key, binding, terms"
)
_contacts = msgspec.json.Decoder(tuple[str, ...])


def by_id(account_id: str) -> Steps[Account | None]:
    """Find an account by its id."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM accounts WHERE id = $1", (account_id,))
    return _account(rows[0]) if rows else None


def by_thumbprint(provisioner: str, thumbprint: str) -> Steps[Account | None]:
    """Find the account of a key."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM accounts WHERE provisioner = $1 AND thumbprint = $2", (provisioner, thumbprint)
    )
    return _account(rows[0]) if rows else None


def listing() -> Steps[list[Account]]:
    """Return every account, oldest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM accounts ORDER BY id")
    return [_account(row) for row in rows]


def of_external_key(key_id: str) -> Steps[list[Account]]:
    """Return the accounts that were bound with a key, oldest first."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM accounts WHERE external_key = $1 ORDER BY id", (key_id,))
    return [_account(row) for row in rows]


def insert(account: Account) -> Steps[Account]:
    """Add the account, or return the one that its key has already: of two that race, both get the same."""
    rows = yield Sql(
        f"INSERT INTO accounts ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        f"ON CONFLICT (provisioner, thumbprint) DO NOTHING RETURNING {_COLUMNS}",
        (
            account.id,
            account.provisioner,
            account.thumbprint,
            account.jwk,
            account.status,
            msgspec.json.encode(account.contacts).decode(),
            account.terms_agreed_at,
            account.created_at,
            account.created_from,
            account.external_key,
            account.binding,
            account.terms,
        ),
    )
    if rows:
        return account
    known = yield from by_thumbprint(account.provisioner, account.thumbprint)
    assert known is not None
    return known


def update(account_id: str, *, was: str, status: str, contacts: tuple[str, ...]) -> Steps[bool]:
    """Store what a client may change of its account if the status is still `was`; tell whether it was."""
    rows = yield Sql(
        "UPDATE accounts SET status = $3, contacts = $4 WHERE id = $1 AND status = $2 RETURNING id",
        (account_id, was, status, msgspec.json.encode(contacts).decode()),
    )
    return bool(rows)


def agree(account_id: str, *, terms: str, now: int) -> Steps[bool]:
    """Note that an account agrees to terms of service, by their URL; tell whether it is there and had not."""
    rows = yield Sql(
        "UPDATE accounts SET terms = $2, terms_agreed_at = $3 WHERE id = $1 AND terms <> $2 RETURNING id",
        (account_id, terms, now),
    )
    return bool(rows)


def rekey(account_id: str, *, was: str, thumbprint: str, jwk: str) -> Steps[bool]:
    """Give the account another key if `was` is still the thumbprint of its key; tell whether it was (section 7.3.5).

    The caller has looked that the key is free in this transaction.
    """
    rows = yield Sql(
        "UPDATE accounts SET thumbprint = $3, jwk = $4 WHERE id = $1 AND thumbprint = $2 RETURNING id",
        (account_id, was, thumbprint, jwk),
    )
    return bool(rows)


def _account(row: Row) -> Account:
    id_, provisioner, thumbprint, jwk, status, contacts, *rest = row
    return Account(id_, provisioner, thumbprint, jwk, status, _contacts.decode(contacts), *rest)
