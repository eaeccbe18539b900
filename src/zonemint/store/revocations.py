"""How many certificates were revoked, by issuer and by the day on which they end; each number only grows."""

from __future__ import annotations

from collections.abc import Mapping

from zonemint.store.database import Sql, Steps

__all__ = ["DAY", "Counts", "add", "counts", "total"]

DAY = 86400

Counts = Mapping[tuple[str, int], int]
"""Numbers by the issuer's key identifier and the day, counted from 1970."""


def add(issuer: str, not_after: int) -> Steps[None]:
    """Count a certificate that was revoked in this transaction."""
    yield Sql(
        "INSERT INTO revocations (issuer, day, certificates) VALUES ($1, $2, 1) "
        "ON CONFLICT (issuer, day) DO UPDATE SET certificates = revocations.certificates + 1",
        (issuer, not_after // DAY),
    )


def counts() -> Steps[Counts]:
    """Return all numbers: a row for each day on which a revoked certificate ends."""
    rows = yield Sql("SELECT issuer, day, certificates FROM revocations")
    return {(issuer, day): number for issuer, day, number in rows}


def total(counted: Counts, issuer: str, begins: int, ends: int) -> int:
    """Add up an issuer's numbers of a window of whole days, in seconds since 1970; `ends` 0 is every day."""
    return sum(
        number for (of, day), number in counted.items() if of == issuer and (not ends or begins <= day * DAY < ends)
    )
