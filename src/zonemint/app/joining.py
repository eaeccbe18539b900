"""How a folder and a shared store become one node: the authority is made by the first, and the others join it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.app.authority_keeper import exchange
from zonemint.config import Config
from zonemint.core.errors import ConfigError
from zonemint.pki import authority
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import pem_of
from zonemint.pki.key_source import key_source
from zonemint.store import authorities
from zonemint.store.authorities import StoredAuthority
from zonemint.store.database import Steps
from zonemint.store.opening import open_store

__all__ = ["domains_of", "join"]


async def domains_of(url: str, *, patience: float) -> tuple[str, ...]:
    """Return the domains of the authority that a store belongs to, none while it belongs to nobody."""
    db = await open_store(url, Path(), patience=patience)
    try:
        stored = await db.read(authorities.current())
    finally:
        await db.close()
    return () if stored is None else stored.domains


async def join(
    url: str, pki: Path, config: Config, make: Callable[[], Authority], *, now: float, patience: float
) -> Authority:
    """Return the authority that folder and store agree on; its key may be on other nodes only.

    The store's is taken where the folder has none, and the folder's where the store has none; where neither has one,
    `make` makes it in the folder, on one node even if several start at once. Raises ConfigError when they disagree.
    """

    source = key_source(config, pki.parent)

    def steps() -> Steps[Authority]:
        yield authorities.lock()
        stored = yield from authorities.current()
        if stored is None:
            own = make()
            yield from authorities.adopt(_stored(own, config), now=int(now))
            return own
        if stored.domains[0] != config.domain:
            raise ConfigError(
                f"the store belongs to {stored.domains[0]}, and this folder to {config.domain}: use another database"
            )
        if not authority.is_there(pki):
            authority.place(pki, root=stored.root, intermediate=stored.intermediate)
        own = authority.load(pki, now=now, needs_key=False, source=source)
        mine = _stored(own, config)
        # A node that was away while the root was replaced knows the one before.
        before = {one.pem for one in (yield from authorities.later())}
        if not own.knows(stored.root_sha256) and own.root.public_bytes(Encoding.PEM).decode() not in before:
            raise ConfigError(
                f"the store belongs to the authority with the root {stored.root_sha256}, and this folder has another: "
                "move the folder away to join, or use another database",
                file=pki,
            )
        if own.can_sign and mine.domains != stored.domains:
            yield from authorities.change_domains(mine.domains)
        for _ in range(2):  # issuers first, and then which roots have gone
            if (yield from exchange(pki, own, now=int(now))):
                own = authority.load(pki, now=now, needs_key=False, source=source)
        return own

    db = await open_store(url, Path(), patience=patience)
    try:
        return await db.write(steps())
    finally:
        await db.close()


def _stored(own: Authority, config: Config) -> StoredAuthority:
    intermediate = own.intermediate.public_bytes(Encoding.PEM).decode()
    return StoredAuthority(own.fingerprint, pem_of((own.root,)).decode(), intermediate, config.domains)
