"""What must hold between the rows of a store, whichever engine keeps them: each question gives what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zonemint.store.database import Sql, Steps

__all__ = ["RULES", "Rule"]

_SHOWN = 20  # of what breaks a rule


class Rule(NamedTuple):
    """A rule by its name; `broken` finds the keys of rows that break it, `advice` says what to do then."""

    name: str
    broken: Callable[[], Steps[list[str]]]
    advice: str


def _query(text: str) -> Callable[[], Steps[list[str]]]:
    def steps() -> Steps[list[str]]:
        rows = yield Sql(f"{text} LIMIT {_SHOWN}")
        return [str(row[0]) for row in rows]

    return steps


RULES = (
    Rule(
        "a valid order has its certificate",
        _query(
            "SELECT orders.id FROM orders LEFT JOIN certificates ON certificates.serial = orders.serial "
            "WHERE orders.status = 'valid' AND certificates.der IS NULL"
        ),
        "restore a backup: a client was told of a certificate that is not there",
    ),
    Rule(
        "the order of a certificate is there",
        _query(
            "SELECT certificates.serial FROM certificates LEFT JOIN orders ON orders.id = certificates.order_id "
            "WHERE certificates.order_id IS NOT NULL AND orders.id IS NULL"
        ),
        "restore a backup; the certificate itself is good",
    ),
    Rule(
        "the order of an authorization is there",
        _query(
            "SELECT authorizations.id FROM authorizations LEFT JOIN orders ON orders.id = authorizations.order_id "
            "WHERE orders.id IS NULL"
        ),
        "restore a backup; clients that have the order's URL get 404 until then",
    ),
    Rule(
        "an order that is processing waits for a signature",
        _query(
            "SELECT orders.id FROM orders LEFT JOIN signings ON signings.order_id = orders.id "
            "WHERE orders.status = 'processing' AND signings.order_id IS NULL"
        ),
        "the client has to make a new order; tell the maintainers how it came to this",
    ),
    Rule(
        "an order is not pending when all its authorizations are valid",
        _query(
            "SELECT orders.id FROM orders JOIN (SELECT order_id, count(*) AS made, "
            "sum(CASE WHEN status = 'valid' THEN 1 ELSE 0 END) AS proven "
            "FROM authorizations GROUP BY order_id) AS held "
            "ON held.order_id = orders.id WHERE orders.status = 'pending' AND held.made = held.proven"
        ),
        "the client has to make a new order; tell the maintainers how it came to this",
    ),
    Rule(
        "a validation is owed for a pending authorization only",
        _query(
            "SELECT validations.authorization_id FROM validations JOIN authorizations "
            "ON authorizations.id = validations.authorization_id WHERE authorizations.status <> 'pending'"
        ),
        "start a server: it takes the validation up and ends it",
    ),
    Rule(
        "a TXT value belongs to an account",
        _query(
            "SELECT txt_values.subdomain FROM txt_values LEFT JOIN txt_accounts "
            "ON txt_accounts.subdomain = txt_values.subdomain WHERE txt_accounts.subdomain IS NULL"
        ),
        "restore a backup, or register the name again",
    ),
    Rule(
        "a certificate is revoked when, and only when, it says since when",
        _query("SELECT serial FROM certificates WHERE (status = 'revoked') <> (revoked_at IS NOT NULL)"),
        "revoke the certificate again with `zonemint certs revoke`, or restore a backup",
    ),
)
"""The rules that the store's own statements keep."""
