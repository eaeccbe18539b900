"""The newest valid authorization of an account for each of its names, where later orders may use it."""

from __future__ import annotations

from zonemint.store import authorizations
from zonemint.store.authorizations import Authorization
from zonemint.store.database import Sql, Steps

__all__ = ["forget", "put", "valid"]

_KEY = "account_id = $1 AND identifier_type = $2 AND identifier_value = $3 AND wildcard = $4"


def put(authorization: Authorization) -> Steps[None]:
    """Remember a valid authorization, in the place of an earlier one."""
    yield Sql(
        "INSERT INTO proofs (account_id, identifier_type, identifier_value, wildcard, authorization_id, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, identifier_type, identifier_value, wildcard) "
        "DO UPDATE SET authorization_id = excluded.authorization_id, expires_at = excluded.expires_at",
        (*_key(authorization), authorization.id, authorization.expires_at),
    )


def valid(wanted: Authorization, *, at: int) -> Steps[Authorization | None]:
    """Find what proves an account's control of the name of an authorization, and will at a time, in seconds."""
    rows = yield Sql(f"SELECT authorization_id FROM proofs WHERE {_KEY} AND expires_at > $5", (*_key(wanted), at))
    found = (yield from authorizations.by_id(rows[0][0])) if rows else None
    return found if found is not None and found.status == "valid" and found.expires_at > at else None


def forget(authorization: Authorization) -> Steps[None]:
    """Have nothing that proves control of the name of an authorization."""
    yield Sql(f"DELETE FROM proofs WHERE {_KEY}", _key(authorization))


def _key(authorization: Authorization) -> tuple[str, str, str, bool]:
    return (
        authorization.account_id,
        authorization.identifier_type,
        authorization.identifier_value,
        authorization.wildcard,
    )
