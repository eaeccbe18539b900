"""The authority that a shared store belongs to: its certificates, so that a node can join with nothing but the URL."""

from __future__ import annotations

from typing import NamedTuple

from zonemint.store.database import Lock, Sql, Steps

__all__ = ["StoredAuthority", "adopt", "current", "lock"]


class StoredAuthority(NamedTuple):
    """Certificates in PEM, and the domain that the settings of all nodes begin with."""

    root_sha256: str
    root: str
    intermediate: str
    domain: str


def lock() -> Lock:
    """Return the lock under which the first node makes the authority."""
    return Lock("authority")


def current() -> Steps[StoredAuthority | None]:
    """Return the store's authority, None while it belongs to nobody."""
    rows = yield Sql("SELECT root_sha256, root, intermediate, domain FROM authorities")
    return StoredAuthority(*rows[0]) if rows else None


def adopt(authority: StoredAuthority, *, now: int) -> Steps[None]:
    """Make the store belong to an authority; the caller holds the `lock` and has seen that there is none."""
    yield Sql(
        "INSERT INTO authorities (root_sha256, root, intermediate, domain, created_at) VALUES ($1, $2, $3, $4, $5)",
        (*authority, now),
    )
