"""The CNAMEs of challenges that clients over the network may have made, and the rules for it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from zonemint.app.zone_list import zone_of
from zonemint.app.zone_reading import edit_of
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir
from zonemint.core.errors import AcmeDnsError, ConfigError
from zonemint.core.names import is_within
from zonemint.dns import codes
from zonemint.dns.zones.overlay import Draft, Edit
from zonemint.store import records
from zonemint.store.database import Database, Steps

__all__ = ["Aliases"]


class Aliases:
    """Makes `_acme-challenge.DOMAIN CNAME TARGET`, where nobody else has said anything about that name.

    What the same actor made before is replaced; what is in a zone file, or a person or another token made, stays.
    """

    def __init__(self, db: Database, config: Config, data: DataDir, zones: ZoneKeeper) -> None:
        self._db = db
        self._config = config
        self._data = data
        self._zones = zones

    async def __call__(self, domain: str, target: str, *, actor: str, also: Callable[[], Steps[None]]) -> bool:
        """Make the CNAME and do what belongs with it; False when the domain is in no zone of ours."""
        config = self._config
        # Our own hosts are nobody's to get certificates for, whatever names a token has.
        if domain in _own_hosts(config) or any(is_within(domain, zone) for zone in config.auth_zones):
            raise AcmeDnsError("bad_domain", 400)
        zone = zone_of(config, self._data, domain)
        if zone is None:
            await self._db.write(also())
            return False
        alias = f"_acme-challenge.{domain}"
        wanted = edit_of(alias, "CNAME", int(config.dns.ttl), f"{target}.")
        old = await self._db.read(records.at(zone, alias, "CNAME"))
        if any(one.created_by != actor and one.data != f"{target}." for one in old):
            raise AcmeDnsError("cname_exists", 409)
        stale = [edit_of(alias, "CNAME", one.ttl, one.data, added=False) for one in old if one.data != f"{target}."]

        def decide(draft: Draft) -> list[Edit]:
            there = draft.rrset(wanted.owner, codes.CNAME)
            if there is not None and wanted.data in there.data and not draft.dynamic(wanted.owner, codes.CNAME):
                raise ConfigError(f"{alias} is not ours to make")
            return [*stale, wanted]

        try:
            # Two CNAMEs of one name are no zone, so whoever comes between the look and the change is not overwritten.
            await self._zones.change(zone, decide, actor=actor, by=actor, also=also)
        except ConfigError:
            raise AcmeDnsError("cname_exists", 409) from None
        return True


def _own_hosts(config: Config) -> set[str]:
    return {f"ca.{config.domain}", f"ns1.{config.domain}", urlsplit(config.external_url).hostname or ""}
