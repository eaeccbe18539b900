"""The audit log: who had issued, revoked or changed what, written in the transaction that did it.

Entries are appended and read; nothing here changes one, and the database refuses it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from zonemint.core.hash_chain import GENESIS, Detail, Entry, Head, encode, from_row, sealed
from zonemint.store.database import Lock, Sql, Steps, require

__all__ = [
    "Fact",
    "Kind",
    "Missing",
    "append",
    "count",
    "count_of",
    "events",
    "head",
    "listing",
    "loaded_authority",
    "page",
    "unaccounted",
]


class Kind(StrEnum):
    """What an entry tells, its `event`; the subject is named beside each."""

    AUTHORITY_LOADED = "authority.loaded"  # SHA-256 of the intermediate
    INTERMEDIATE_ROTATED = "intermediate.rotated"  # SHA-256 of the new intermediate
    ROOT_ROTATED = "root.rotated"  # SHA-256 of the new root
    ROOT_DROPPED = "root.dropped"  # SHA-256 of the root
    CERTIFICATE_ISSUED = "certificate.issued"  # serial
    CERTIFICATE_FAILED = "certificate.failed"  # serial
    CERTIFICATE_REVOKED = "certificate.revoked"  # serial
    KEY_BLOCKED = "key.blocked"  # SHA-256 of the SubjectPublicKeyInfo
    KEY_UNBLOCKED = "key.unblocked"  # SHA-256 of the SubjectPublicKeyInfo
    ACCOUNT_CREATED = "account.created"  # account id
    ACCOUNT_CONTACTS = "account.contacts"  # account id
    ACCOUNT_REKEYED = "account.rekeyed"  # account id
    ACCOUNT_DEACTIVATED = "account.deactivated"  # account id
    ACCOUNT_AGREED = "account.agreed"  # account id
    EAB_KEY_CREATED = "eab-key.created"  # key identifier
    EAB_KEY_USED = "eab-key.used"  # key identifier
    EAB_KEY_REVOKED = "eab-key.revoked"  # key identifier
    TXT_ACCOUNT_REGISTERED = "txt-account.registered"  # full domain
    TXT_ACCOUNT_ROTATED = "txt-account.rotated"  # full domain
    TXT_ACCOUNT_SCOPED = "txt-account.scoped"  # full domain
    TXT_ACCOUNT_DELETED = "txt-account.deleted"  # full domain
    TOKEN_CREATED = "token.created"  # token id  # noqa: S105
    TOKEN_REVOKED = "token.revoked"  # token id  # noqa: S105
    ONE_TIME_TOKEN_MADE = "one-time-token.made"  # the token's id  # noqa: S105
    TOKEN_ISSUER_ADDED = "token-issuer.added"  # the key's thumbprint  # noqa: S105
    TSIG_KEY_CREATED = "tsig-key.created"  # the key's name
    TSIG_KEY_REVOKED = "tsig-key.revoked"  # the key's name
    DNSSEC_KEY_CREATED = "dnssec-key.created"  # zone
    DNSSEC_KEY_MOVED = "dnssec-key.moved"  # zone
    DNSSEC_KEY_REMOVED = "dnssec-key.removed"  # zone
    TXT_ACCOUNTS_IMPORTED = "txt-accounts.imported"  # auth zone
    RECORD_ADDED = "record.added"  # name
    RECORD_REMOVED = "record.removed"  # name
    AUTHORITY_IMPORTED = "authority.imported"  # SHA-256 of the root
    STORE_RESTORED = "store.restored"  # SHA-256 of the root


class Fact(NamedTuple):
    """What is to be recorded.

    The actor is `account:ID`, `key:SHA256`, `address:IP`, `token:ID`, `one-time-token:ISSUER`, `certificate:SERIAL`,
    `tsig-key:NAME`, `cli:USER` or `server`.
    """

    kind: Kind
    actor: str
    subject: str
    detail: Detail


class Missing(NamedTuple):
    """How many certificates lack an entry of a kind, and the first of their serials, if any does."""

    kind: Kind
    certificates: int
    serial: str | None


_COLUMNS = "sequence, at, event, actor, subject, detail, previous, hash"


def append(*facts: Fact, now: float) -> Steps[None]:
    """Record facts, in their order; it is the last thing of a transaction, since writers wait here for each other."""
    yield Lock("audit")
    last = yield from head()
    for fact in facts:
        entry = sealed(
            Entry(last.sequence + 1, int(now * 1000), fact.kind.value, fact.actor, fact.subject, fact.detail, last.hash)
        )
        yield Sql(
            f"INSERT INTO audit ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            (
                entry.sequence,
                entry.at,
                entry.event,
                entry.actor,
                entry.subject,
                encode(entry.detail).decode(),
                entry.previous,
                entry.hash,
            ),
        )
        last = Head(entry.sequence, entry.hash)


def head() -> Steps[Head]:
    """Return the newest entry's place in the chain."""
    rows = yield Sql("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    return Head(*rows[0]) if rows else Head(0, GENESIS)


def page(*, after: int, until: int, limit: int) -> Steps[list[Entry]]:
    """Return entries in their order, those after one and until another; raises AuditBroken."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM audit WHERE sequence > $1 AND sequence <= $2 ORDER BY sequence LIMIT $3",
        (after, until, limit),
    )
    return [from_row(row) for row in rows]


def listing(*, limit: int, event: str | None = None, subject: str | None = None) -> Steps[list[Entry]]:
    """Return the newest entries, newest first, of a kind or about a subject if one is given; raises AuditBroken."""
    wanted = [(column, value) for column, value in (("event", event), ("subject", subject)) if value is not None]
    where = " AND ".join([f"{column} = ${place}" for place, (column, _) in enumerate(wanted, 2)])
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM audit {'WHERE ' if where else ''}{where} ORDER BY sequence DESC LIMIT $1",
        (limit, *(value for _, value in wanted)),
    )
    return [from_row(row) for row in rows]


def events(kinds: Sequence[str], *, after: int, until: int, limit: int) -> Steps[list[Entry]]:
    """Return entries of some kinds as `page` does all; raises AuditBroken."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM audit WHERE sequence > $1 AND sequence <= $2 AND event IN ({_places(kinds, 4)}) "
        "ORDER BY sequence LIMIT $3",
        (after, until, limit, *kinds),
    )
    return [from_row(row) for row in rows]


def count_of(kinds: Sequence[str], *, after: int) -> Steps[int]:
    """Count the entries of some kinds after one."""
    rows = yield Sql(
        f"SELECT count(*) FROM audit WHERE sequence > $1 AND event IN ({_places(kinds, 2)})", (after, *kinds)
    )
    number: int = require(rows)[0]
    return number


def count(*, after: int, until: int) -> Steps[dict[str, int]]:
    """Count the entries after one and until another, by their kind."""
    rows = yield Sql(
        "SELECT event, count(*) FROM audit WHERE sequence > $1 AND sequence <= $2 GROUP BY event", (after, until)
    )
    return dict(rows)


def loaded_authority() -> Steps[str | None]:
    """Return the SHA-256 of the intermediate that a server loaded last, as recorded."""
    # The kind is in the text, so that the index of just these entries serves.
    rows = yield Sql("SELECT subject FROM audit WHERE event = 'authority.loaded' ORDER BY sequence DESC LIMIT 1")
    return rows[0][0] if rows else None


def unaccounted() -> Steps[list[Missing]]:
    """Count the certificates that were issued or revoked since the log began and have no entry for it."""
    rows = yield Sql(
        "SELECT min(began) FROM (SELECT min(applied_at) AS began FROM schema_versions WHERE version = 3 "
        "UNION ALL SELECT min(at) / 1000 AS began FROM audit WHERE sequence = 1) AS known"
    )
    began = require(rows)[0]
    missing = []
    for kind, of in (
        (Kind.CERTIFICATE_ISSUED, "status <> 'reserved' AND created_at > $1"),
        (Kind.CERTIFICATE_REVOKED, "status = 'revoked' AND revoked_at > $1"),
    ):
        rows = yield Sql(
            f"SELECT count(*), min(serial) FROM (SELECT serial FROM certificates WHERE {of} "
            "EXCEPT SELECT subject FROM audit WHERE event = $2) AS missing",
            (began, kind.value),
        )
        missing.append(Missing(kind, *require(rows)))
    return missing


def _places(values: Sequence[str], first: int) -> str:
    return ", ".join(f"${first + number}" for number in range(len(values)))
