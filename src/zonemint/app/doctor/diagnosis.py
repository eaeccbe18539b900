"""The whole look, from the folder to a name's certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from zonemint.app.challenges import challenge_methods
from zonemint.app.doctor import folder, listeners
from zonemint.app.doctor.finding import Finding
from zonemint.app.doctor.issuance import Prognosis
from zonemint.app.provisioners import policy
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
    clock: Clock = system_clock,
) -> AsyncIterator[tuple[str, Finding]]:
    """Look at the server, then at each name as a provisioner would; each finding comes with what it is about.

    Raises ConfigError for a provisioner that is none, StoreError.
    """
    if provisioner not in config.every_provisioner:
        known = ", ".join(config.every_provisioner)
        raise ConfigError(f"there is no provisioner '{provisioner}' here; there is {known}", file=data.config)
    async for finding in _server(config, data, db, clock):
        yield config.external_url, finding
    if names and "ca" not in config.roles:
        raise ConfigError("no CA is here (roles): ask where it is", file=data.config)
    own = (listeners.own_address(config), config.listen.dns_port) if "dns" in config.roles else None
    every = challenge_methods(config, resolver(config, own, clock), clock)
    chosen = config.every_provisioner[provisioner]
    methods = {type_: every[type_] for type_ in chosen.challenges}
    prognosis = Prognosis(config, db, policy(config, chosen), methods)
    for name in names:
        async for finding in prognosis.of(name):
            yield name, finding


async def _server(config: Config, data: DataDir, db: Database, clock: Clock) -> AsyncIterator[Finding]:
    roots = ""
    if "ca" in config.roles:
        found, finding = folder.authority(config, data, clock())
        yield finding
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
