"""The authority that a shared store belongs to: its certificates, so that a node can join with nothing but the URL."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import msgspec

from zonemint.store.database import Lock, Sql, Steps

__all__ = [
    "LaterCertificate",
    "StoredAuthority",
    "add_later",
    "adopt",
    "change_domains",
    "current",
    "drop",
    "later",
    "lock",
]

_domains = msgspec.json.Decoder(tuple[str, ...])


class StoredAuthority(NamedTuple):
    """Certificates in PEM, and the domains of the settings, of which all nodes have the first one in common."""

    root_sha256: str
    root: str
    intermediate: str
    domains: tuple[str, ...]


class LaterCertificate(NamedTuple):
    """What came after: `role` is `issuer`, whose PEM goes on up to its root, or `root` for all else.

    The role `dropped` is of a root that clients are not to trust any more.
    """

    id: str
    role: str
    pem: str


def lock() -> Lock:
    """Return the lock under which the first node makes the authority, and nodes tell of what came later."""
    return Lock("authority")


def current() -> Steps[StoredAuthority | None]:
    """Return what the store's authority began with, None while it belongs to nobody."""
    rows = yield Sql("SELECT root_sha256, root, intermediate, domains FROM authorities")
    if not rows:
        return None
    root_sha256, root, intermediate, domains = rows[0]
    return StoredAuthority(root_sha256, root, intermediate, _domains.decode(domains))


def adopt(authority: StoredAuthority, *, now: int) -> Steps[None]:
    """Make the store belong to an authority; the caller holds the `lock` and has seen that there is none."""
    yield Sql(
        "INSERT INTO authorities (root_sha256, root, intermediate, domains, created_at) VALUES ($1, $2, $3, $4, $5)",
        (*authority[:3], msgspec.json.encode(authority.domains).decode(), now),
    )


def drop(root: str, *, kept: StoredAuthority, now: int) -> Steps[None]:
    """Tell all nodes to have clients trust a root (in PEM) no more; who joins from now on begins with what is kept."""
    told = LaterCertificate(sha256(f"dropped {root}".encode()).hexdigest(), "dropped", root)
    yield from add_later(told, now=now)
    yield Sql("UPDATE authorities SET root_sha256 = $1, root = $2, intermediate = $3", kept[:3])


def change_domains(domains: tuple[str, ...]) -> Steps[None]:
    """Let those who join from now on begin with these domains."""
    yield Sql("UPDATE authorities SET domains = $1", (msgspec.json.encode(domains).decode(),))


def later() -> Steps[list[LaterCertificate]]:
    """Return the certificates that came after those of `current`."""
    rows = yield Sql("SELECT id, role, pem FROM authority_certificates ORDER BY created_at, id")
    return [LaterCertificate(*row) for row in rows]


def add_later(certificate: LaterCertificate, *, now: int) -> Steps[None]:
    """Tell other nodes of a certificate; one that they know already is left as it is."""
    yield Sql(
        "INSERT INTO authority_certificates (id, role, pem, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        (*certificate, now),
    )
