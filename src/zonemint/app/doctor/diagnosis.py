"""The whole look, from the folder to a name's certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from zonemint.app.challenges import caa, challenge_methods
from zonemint.app.doctor import accounts, folder, listeners
from zonemint.app.doctor.finding import Finding
from zonemint.app.doctor.issuance import Prognosis
from zonemint.app.doctor.weak_spots import weak_spots
from zonemint.app.listeners import own_address
from zonemint.app.provisioners import provisioners
from zonemint.app.resolvers import resolver
from zonemint.config import Config, DataDir
from zonemint.core.clock import Clock, system_clock
from zonemint.core.errors import ConfigError
from zonemint.store.database import Database

__all__ = ["examine"]


async def examine(
    config: Config,
    data: DataDir,
    db: Database,
    names: Sequence[str],
    *,
    provisioner: str,
    account: str | None = None,
    clock: Clock = system_clock,
) -> AsyncIterator[tuple[str, Finding]]:
    """Look at the server, then at each name as a provisioner would; each finding comes with what it is about.

    account: the id or URL of the one that would order, where that counts.

    Raises ConfigError for a provisioner that is none, StoreError.
    """
    if provisioner not in config.every_provisioner:
        known = ", ".join(config.every_provisioner)
        raise ConfigError(f"there is no provisioner '{provisioner}' here; there is {known}", file=data.config)
    async for finding in _server(config, data, db, clock):
        yield config.external_url, finding
    if names and "ca" not in config.roles:
        raise ConfigError("no CA is here (roles): ask where it is", file=data.config)
    own = (own_address(config.listen.address), config.listen.dns_port) if "dns" in config.roles else None
    resolve = resolver(config, own, clock)
    chosen = provisioners(config, challenge_methods(config, resolve, clock))[provisioner]
    directory = chosen.urls.to("directory")
    if names:
        async for finding in accounts.needs(db, chosen, clock()):
            yield directory, finding
    found = None
    if account is not None:
        found, finding = await accounts.find(db, chosen, account)
        yield directory, finding
    prognosis = Prognosis(config, db, chosen, caa(config, resolve), found)
    for name in names:
        async for finding in prognosis.of(name):
            yield name, finding


async def _server(config: Config, data: DataDir, db: Database, clock: Clock) -> AsyncIterator[Finding]:
    for finding in weak_spots(config):
        yield finding
    roots = ""
    if "ca" in config.roles:
        found, finding = folder.authority(config, data, clock())
        yield finding
        if found is not None and not found.current.domains:
            advice = f"`zonemint ca rotate-intermediate` makes one that is held to {', '.join(config.domains)}"
            yield Finding.note("name constraints", "whoever has the intermediate's key signs for every name", advice)
        roots = found.roots_pem.decode() if found else ""
    if "dns" in config.roles or "acmedns" in config.roles:
        async for finding in folder.zones(config, data, db):
            yield finding
        async for finding in listeners.dns(config):
            yield finding
    async for finding in listeners.plain(config):
        yield finding
    if roots:
        async for finding in listeners.https(config, roots):
            yield finding
    async for finding in listeners.names(config):
        yield finding
