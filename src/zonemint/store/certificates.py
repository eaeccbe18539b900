"""Certificates, from the reserved serial to revocation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from zonemint.store import revocations
from zonemint.store.database import Row, Sql, Steps, require

__all__ = [
    "Certificate",
    "Revoked",
    "State",
    "adopt",
    "by_serial",
    "extent",
    "insert",
    "last_end",
    "living",
    "newest_of_name",
    "replace",
    "revoke",
    "revoked",
    "signed",
    "states",
    "store_signed",
    "valid_of_name",
    "with_block",
]


class Certificate(msgspec.Struct, frozen=True):
    """A row: `status` is `reserved`, `valid` or `revoked`; `serial` lower hex; `key_hash` hex SHA-256 of the SPKI.

    `replaced_by` is the order that took its place, the first one that said so (RFC 9773 section 5).
    `issuer` is the key identifier of the issuer in lower hex, empty where there was only one.
    """

    serial: str
    order_id: str | None
    account_id: str | None
    status: str
    names: tuple[str, ...]
    key_hash: str
    not_before: int
    not_after: int
    created_at: int
    der: bytes | None = None
    revoked_at: int | None = None
    revocation_reason: int | None = None
    replaced_by: str | None = None
    issuer: str = ""
    enrolled_by: str | None = None


class Revoked(NamedTuple):
    """What a CRL entry carries, and its end; the reason is the code of RFC 5280 section 5.3.1."""

    serial: str
    not_after: int
    revoked_at: int
    reason: int


class State(NamedTuple):
    """What is said of a signed certificate to those who ask: of which issuer, and since when and why it is revoked."""

    issuer: str
    revoked_at: int | None
    reason: int


_COLUMNS = (
    "serial, order_id, account_id, status, names, key_hash, not_before, not_after, created_at, "
    "der, revoked_at, revocation_reason, replaced_by, issuer, enrolled_by"
)
_names = msgspec.json.Decoder(tuple[str, ...])


def by_serial(serial: str) -> Steps[Certificate | None]:
    """Find a certificate by its serial in lower hex."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM certificates WHERE serial = $1", (serial,))
    return _certificate(rows[0]) if rows else None


def with_block(serial: str) -> Steps[tuple[Certificate, int | None] | None]:
    """Find a certificate by its serial in lower hex, and since when its key is refused, in seconds, if it is."""
    columns = ", ".join(f"c.{name}" for name in _COLUMNS.split(", "))
    rows = yield Sql(
        f"SELECT {columns}, b.blocked_at FROM certificates AS c LEFT JOIN blocked_keys AS b "
        "ON b.key_hash = c.key_hash WHERE c.serial = $1",
        (serial,),
    )
    return (_certificate(rows[0][:-1]), rows[0][-1]) if rows else None


def signed(*, before: str, limit: int) -> Steps[list[Certificate]]:
    """Return certificates that have a DER, by falling serial from below one in hex; an empty one is above all."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM certificates WHERE der IS NOT NULL AND ($1 = '' OR serial < $1) "
        "ORDER BY serial DESC LIMIT $2",
        (before, limit),
    )
    return [_certificate(row) for row in rows]


def extent() -> Steps[tuple[int, int | None, int | None]]:
    """Return how many certificates were signed, and when the oldest and the newest were made."""
    rows = yield Sql("SELECT count(*), min(created_at), max(created_at) FROM certificates WHERE der IS NOT NULL")
    count, oldest, newest = require(rows)
    return count, oldest, newest


def newest_of_name(name: str) -> Steps[Certificate | None]:
    """Find the newest signed certificate that carries a name, a wildcard's with `*.`."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM certificates WHERE status <> 'reserved' AND names LIKE $1 ESCAPE '\\' "
        "ORDER BY created_at DESC, serial DESC LIMIT 1",
        (_carrying(name),),
    )
    return _certificate(rows[0]) if rows else None


def valid_of_name(name: str, *, now: int, limit: int) -> Steps[list[Certificate]]:
    """Return the certificates that carry a name and are neither revoked nor at their end, the newest first."""
    rows = yield Sql(
        f"SELECT {_COLUMNS} FROM certificates WHERE status = 'valid' AND not_after >= $2 AND names LIKE $1 ESCAPE '\\' "
        "ORDER BY created_at DESC, serial DESC LIMIT $3",
        (_carrying(name), now, limit),
    )
    return [_certificate(row) for row in rows]


def insert(certificate: Certificate) -> Steps[None]:
    """Add a certificate: signed, with its DER, or only the serial, reserved before anything is signed with it."""
    yield Sql(
        "INSERT INTO certificates (serial, order_id, account_id, status, names, key_hash, not_before, not_after, "
        "created_at, der, issuer, enrolled_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        (
            certificate.serial,
            certificate.order_id,
            certificate.account_id,
            certificate.status,
            msgspec.json.encode(certificate.names).decode(),
            certificate.key_hash,
            certificate.not_before,
            certificate.not_after,
            certificate.created_at,
            certificate.der,
            certificate.issuer,
            certificate.enrolled_by,
        ),
    )


def store_signed(serial: str, der: bytes) -> Steps[None]:
    """Store the signed certificate of a reserved serial."""
    yield Sql(
        "UPDATE certificates SET status = 'valid', der = $2 WHERE serial = $1 AND status = 'reserved'", (serial, der)
    )


def replace(serial: str, *, order_id: str) -> Steps[None]:
    """Note the order that takes a certificate's place, unless another one has it."""
    yield Sql("UPDATE certificates SET replaced_by = $2 WHERE serial = $1 AND replaced_by IS NULL", (serial, order_id))


def states(serials: Sequence[str]) -> Steps[dict[str, State]]:
    """Return what is to be said of signed certificates, by their serials in lower hex; others are left out."""
    places = ", ".join(f"${at}" for at in range(1, len(serials) + 1))
    rows = yield Sql(
        "SELECT serial, issuer, revoked_at, revocation_reason FROM certificates "
        f"WHERE status <> 'reserved' AND serial IN ({places})",
        tuple(serials),
    )
    return {serial: State(issuer, at, reason or 0) for serial, issuer, at, reason in rows}


def revoke(serial: str, *, now: int, reason: int) -> Steps[bool]:
    """Mark a valid certificate as revoked; tell whether it was valid."""
    rows = yield Sql(
        "UPDATE certificates SET status = 'revoked', revoked_at = $2, revocation_reason = $3 "
        "WHERE serial = $1 AND status = 'valid' RETURNING issuer, not_after",
        (serial, now, reason),
    )
    for issuer, not_after in rows:
        yield from revocations.add(issuer, not_after)
    return bool(rows)


def revoked(issuer: str, *, after: tuple[int, str], before: int, limit: int) -> Steps[list[Revoked]]:
    """Return what an issuer's lists have, the next to end first, from a page on: `after` is the end and serial before.

    `before` is the time from which certificates end too late, or 0.
    """
    ends, serial = after
    rows = yield Sql(
        "SELECT serial, not_after, revoked_at, revocation_reason FROM certificates "
        "WHERE status = 'revoked' AND issuer = $1 AND not_after >= $2 AND (not_after > $2 OR serial > $3) "
        "AND ($4 = 0 OR not_after < $4) ORDER BY not_after, serial LIMIT $5",
        (issuer, ends, serial, before, limit),
    )
    return [Revoked(*row) for row in rows]


def living(issuer: str, *, now: int) -> Steps[tuple[int, int]]:
    """Count the certificates of an issuer that are valid, and return when the last one ends; it reads all of them."""
    rows = yield Sql(
        "SELECT count(*), coalesce(max(not_after), 0) FROM certificates "
        "WHERE issuer = $1 AND status = 'valid' AND not_after >= $2",
        (issuer, now),
    )
    return rows[0][0], rows[0][1]


def last_end() -> Steps[int]:
    """Return when the last of all certificates ends, or 0."""
    rows = yield Sql("SELECT coalesce(max(not_after), 0) FROM certificates")
    found: int = require(rows)[0]
    return found


def adopt(issuer: str) -> Steps[None]:
    """Give the certificates that name no issuer to this one: it was the only one when they were made."""
    yield Sql("UPDATE certificates SET issuer = $1 WHERE issuer = ''", (issuer,))


def _carrying(name: str) -> str:
    """Return the pattern of the JSON text of names with this one among them."""
    # There a name is quoted; `_` is a letter of names, and of LIKE's patterns.
    return '%"' + re.sub(r"[%_\\]", r"\\\g<0>", name) + '"%'


def _certificate(row: Row) -> Certificate:
    values = list(row)
    values[4] = _names.decode(row[4])
    return Certificate(*values)
