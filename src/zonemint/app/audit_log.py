"""The server's own part in the audit log: whose key signs, and the log's head for those who keep it elsewhere."""

from __future__ import annotations

import structlog
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.core.clock import Clock
from zonemint.core.hash_chain import Detail
from zonemint.pki.authority import Authority
from zonemint.store import audit
from zonemint.store.database import Database

__all__ = ["record_authority", "tell_head"]

_log = structlog.get_logger()


async def record_authority(db: Database, authority: Authority, clock: Clock) -> None:
    """Record the intermediate that signs from now on, unless it is the one that was recorded last."""
    intermediate = authority.intermediate
    fingerprint = intermediate.fingerprint(SHA256()).hex()
    if await db.read(audit.loaded_authority()) == fingerprint:
        return
    told: Detail = {
        "name": intermediate.subject.rfc4514_string(),
        "not_after": int(authority.current.not_after),
        "root": authority.fingerprint,
    }
    fact = audit.Fact(audit.Kind.AUTHORITY_LOADED, "server", fingerprint, told)
    await db.write(audit.append(fact, now=clock()))


async def tell_head(db: Database) -> None:
    """Log the newest entry's hash: where logs are kept elsewhere, it shows a log that was made anew or cut short."""
    _log.info("the audit log", head=str(await db.read(audit.head())))
