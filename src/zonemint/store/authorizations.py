"""Authorizations with their challenges (RFC 8555 sections 7.1.4 and 7.1.5)."""

from __future__ import annotations

import msgspec

from zonemint.store.database import Row, Sql, Steps

__all__ = ["Authorization", "Challenge", "by_id", "insert", "of_order", "save"]


class Challenge(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way to prove control; `error` is a problem document, `validated_at` seconds.

    `caa` has the names that CAA permitted to issue for by this proof, each with the seconds when that was looked at.
    """

    type: str
    token: str
    status: str
    validated_at: int | None = None
    error: dict[str, object] | None = None
    caa: dict[str, int] = {}


class Authorization(msgspec.Struct, frozen=True):
    """A row; `identifier_value` is without `*.`, `wildcard` tells that it was asked for with it.

    `subdomains` tells that names below it rest on it, too (RFC 9444).
    """

    id: str
    order_id: str
    account_id: str
    identifier_type: str
    identifier_value: str
    wildcard: bool
    status: str
    challenges: tuple[Challenge, ...]
    created_at: int
    expires_at: int
    subdomains: bool = False

    def challenge(self, type_: str) -> Challenge | None:
        """Return the challenge of a type, which is its name within the authorization."""
        return next((challenge for challenge in self.challenges if challenge.type == type_), None)


_COLUMNS = (
    "id, order_id, account_id, identifier_type, identifier_value, wildcard, status, challenges, created_at, "
    "expires_at, subdomains"
)
_challenges = msgspec.json.Decoder(tuple[Challenge, ...])


def by_id(authorization_id: str) -> Steps[Authorization | None]:
    """Find an authorization by its id."""
    rows = yield Sql(f"SELECT {_COLUMNS} FROM authorizations WHERE id = $1", (authorization_id,))
    return _authorization(rows[0]) if rows else None


def of_order(authorization_ids: tuple[str, ...]) -> Steps[list[Authorization] | None]:
    """Return the authorizations of an order in its order; None when they were removed, with it, a moment ago."""
    found = []
    for authorization_id in authorization_ids:
        authorization = yield from by_id(authorization_id)
        if authorization is None:
            return None
        found.append(authorization)
    return found


def insert(authorization: Authorization) -> Steps[None]:
    """Add an authorization."""
    yield Sql(
        f"INSERT INTO authorizations ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        (
            authorization.id,
            authorization.order_id,
            authorization.account_id,
            authorization.identifier_type,
            authorization.identifier_value,
            authorization.wildcard,
            authorization.status,
            msgspec.json.encode(authorization.challenges).decode(),
            authorization.created_at,
            authorization.expires_at,
            authorization.subdomains,
        ),
    )


def save(authorization: Authorization, *, was: str) -> Steps[bool]:
    """Store status, challenges and expiry if the status is still `was`; tell whether it was."""
    rows = yield Sql(
        "UPDATE authorizations SET status = $3, challenges = $4, expires_at = $5 "
        "WHERE id = $1 AND status = $2 RETURNING id",
        (
            authorization.id,
            was,
            authorization.status,
            msgspec.json.encode(authorization.challenges).decode(),
            authorization.expires_at,
        ),
    )
    return bool(rows)


def _authorization(row: Row) -> Authorization:
    values = list(row)
    values[5], values[10] = bool(row[5]), bool(row[10])
    values[7] = _challenges.decode(row[7])
    return Authorization(*values)
