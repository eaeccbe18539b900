"""Secrets that all nodes have to agree on."""

from __future__ import annotations

from zonemint.store.database import Sql, Steps

__all__ = ["agree"]


def agree(name: str, fresh: bytes) -> Steps[bytes]:
    """Return the secret of a name, which is the given one if there is none."""
    yield Sql("INSERT INTO shared_secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", (name, fresh))
    rows = yield Sql("SELECT secret FROM shared_secrets WHERE name = $1", (name,))
    return bytes(rows[0][0])
