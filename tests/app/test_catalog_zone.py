"""The catalog of our zones, kept true as they come and go."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

from tests.dns.asking import zone
from zonemint.app.base import Base
from zonemint.app.catalog_zone import CatalogZone
from zonemint.app.transfer_rights import TransferRights
from zonemint.config import Config, DataDir, Dns, ZoneSettings
from zonemint.core.clock import system_clock
from zonemint.dns import wire
from zonemint.dns.transfer.membership import members
from zonemint.dns.zones.catalog import Catalog
from zonemint.store.opening import Store

SMALL = "@ 60 SOA ns1 h 1 3600 600 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n"


def test_a_change_is_a_look_at_the_zone_that_changed_alone(tmp_path: Path) -> None:
    asked: list[str] = []
    grants = {"a.test": ZoneSettings(allow_transfer=("127.0.0.1",)), "no.test": ZoneSettings(allow_transfer=())}

    def settings(origin: str) -> ZoneSettings:
        asked.append(origin)
        return grants.get(origin, ZoneSettings())

    config = Config("lab.test", zones=grants, dns=Dns(catalog="catalog.invalid", allow_transfer=("127.0.0.1",)))
    base = Base(config, DataDir(tmp_path), cast(Store, None), system_clock, "127.0.0.1", AsyncExitStack())
    catalog = Catalog()
    for origin in ("a.test", "b.test", "no.test"):
        catalog.put(zone(SMALL, origin))
    CatalogZone(config, catalog, TransferRights(base, catalog, settings), system_clock)

    def listed() -> set[str]:
        ours = catalog.get("catalog.invalid")
        assert ours is not None
        return {wire.name_to_text(apex) for apex in members(ours)}

    assert listed() == {"a.test", "b.test"}
    asked.clear()
    catalog.put(zone(SMALL, "c.test"))
    assert listed() == {"a.test", "b.test", "c.test"}
    catalog.put(zone(SMALL, "a.test"))
    catalog.suspend("b.test")
    catalog.remove("c.test")
    catalog.remove("no.test")
    assert listed() == {"a.test"}
    assert set(asked) <= {"a.test", "c.test"}
