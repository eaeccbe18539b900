"""What the zones of others are here, from the moment that they are known."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

from tests.dns.asking import lab_catalog
from zonemint.app.base import Base
from zonemint.app.zone_transfers import ZoneTransfers
from zonemint.config import Config, DataDir, ZoneSettings
from zonemint.core.clock import system_clock
from zonemint.dns import codes, wire
from zonemint.dns.zones.journal import Journals
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
