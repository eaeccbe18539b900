"""The role `acmedns`: the acme-dns API, and the values that DNS serves in its zones."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from zonemint.acmedns.context import AcmeDns
from zonemint.app.aliases import Aliases
from zonemint.app.base import Base
from zonemint.app.txt_values import AskedValues, StoredValues
from zonemint.app.zones import ZoneKeeper
from zonemint.core.networks import ANY, PRIVATE_NETWORKS
from zonemint.core.rates import Rates
from zonemint.dns.zones.zone import TxtSource
from zonemint.store.sqlite import SqliteDatabase
from zonemint.web.acmedns import AcmeDnsResources
from zonemint.web.admin import AdminResources
from zonemint.web.endpoint import Sources
from zonemint.web.routes import Resources
from zonemint.web.storage import StorageResources

__all__ = ["txt_resources", "txt_values"]


def txt_values(base: Base, zone: str) -> TxtSource:
    """Return the source of an auth zone's values."""
    of = zone, float(base.config.acmedns.value_lifetime), base.clock
    if isinstance(base.db, SqliteDatabase):
        return StoredValues(base.db, *of)
    asked = AskedValues(base.db, *of)
    base.stack.push_async_callback(asked.close)
    return asked


def txt_resources(base: Base, zones: ZoneKeeper, sources: Sources) -> list[Resources]:
    """Return the API and what is beside it: clients' storage and administration."""
    config = base.config
    acmedns = AcmeDns(
        db=base.db,
        clock=base.clock,
        zones=config.auth_zones,
        registrars=_registrars(config.acmedns.registration),
        keep=config.acmedns.values,
        lifetime=float(config.acmedns.value_lifetime),
        server_url=config.api_url,
        tells_url=config.acmedns.tell_server_url,
        alias=Aliases(base.db, config, base.data, zones),
    )
    api = AcmeDnsResources(
        acmedns,
        sources,
        registrations=Rates(config.acmedns.registrations_per_minute),
        updates=Rates(config.acmedns.updates_per_minute),
        origins=config.acmedns.origins,
    )
    return [api, StorageResources(acmedns, sources), AdminResources(acmedns, sources, zones.take_over)]


def _registrars(registration: str | tuple[str, ...]) -> Sequence[IPv4Network | IPv6Network] | None:
    match registration:
        case "private":
            return PRIVATE_NETWORKS
        case "open":
            return ANY
        case "token":
            return ()
        case "closed":
            return None
        case networks:
            return [ip_network(one) for one in networks]
