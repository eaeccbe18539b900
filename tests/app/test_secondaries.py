"""What the zones of others are here, from the moment that they are known."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

from tests.dns.asking import lab_catalog
from zonemint.app.base import Base
from zonemint.app.secondaries import Secondaries
from zonemint.app.zone_transfers import ZoneTransfers
from zonemint.config import Config, DataDir, ZoneSettings
from zonemint.core.clock import system_clock
from zonemint.dns import codes, wire
from zonemint.dns.transfer.membership import records
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone
from zonemint.store.opening import Store


def test_the_zone_above_never_answers_for_one_of_which_there_is_no_copy(tmp_path: Path) -> None:
    """Questions come as soon as the server listens, which is before any primary is asked."""
    catalog = lab_catalog()
    config = Config("lab.test", zones={"corp.lab.test": ZoneSettings(primaries=("127.0.0.1:1",))})
    base = Base(config, DataDir(tmp_path), cast(Store, None), system_clock, "127.0.0.1", AsyncExitStack())
    ZoneTransfers(base, catalog, Journals(catalog), lambda name: None, lambda apex, client: False).restore()
    zone = catalog.find(wire.name_from_text("www.corp.lab.test"), codes.A)
    assert zone is not None
    assert zone.origin == "corp.lab.test"
    assert catalog.get("corp.lab.test") is None


CATALOG = "catalog.invalid"


def listing(*names: str, label: str = "x") -> Zone:
    members = [Record(f"{label}{name}.zones.{CATALOG}", 0, "PTR", f"{name}.test.") for name in names]
    return Zone.build(CATALOG, [*records(CATALOG), *members])


async def test_a_catalog_is_taken_in_turns_and_the_last_one_counts(tmp_path: Path) -> None:
    """Each member has a copy to read, and there may be 100,000; questions are answered in between."""
    config = Config("lab.test", zones={CATALOG: ZoneSettings(primaries=("127.0.0.1:1",), catalog=True)})
    base = Base(config, DataDir(tmp_path), cast(Store, None), system_clock, "127.0.0.1", AsyncExitStack())

    def started(catalog: Catalog) -> Secondaries:
        transfers = ZoneTransfers(base, catalog, Journals(catalog), lambda name: None, lambda apex, client: False)
        transfers.restore()
        transfers.secondaries.begin()
        return transfers.secondaries

    def names(of: Secondaries) -> set[str]:
        return {origin.removesuffix(".test") for origin in of.zones} - {CATALOG}

    catalog = lab_catalog()
    (tmp_path / "secondary").mkdir(exist_ok=True)
    secondaries = started(catalog)
    try:
        ours = secondaries.zones[CATALOG]
        many = [f"n{number}" for number in range(50)]
        ours.restore(listing(*many), system_clock())
        secondaries._kept(ours, True)
        for _ in range(5):
            await asyncio.sleep(0)
        assert 0 < len(names(secondaries)) < 10
        # Another one comes meanwhile, in which a zone has another label, and is never left to the zone above.
        ours.restore(listing("n0", "n49", label="y"), system_clock())
        secondaries._kept(ours, True)
        async with asyncio.timeout(20):
            while names(secondaries) != {"n0", "n49"}:
                assert catalog.has("n0.test")
                await asyncio.sleep(0)
    finally:
        await secondaries.close()
    again = started(lab_catalog())
    try:
        assert names(again) == {"n0", "n49"}
    finally:
        await again.close()
