"""Is what the server stands on sound: its zone files, its authority?"""

from __future__ import annotations

from collections.abc import AsyncIterator

from zonemint.app.ca import check_domains
from zonemint.app.contents import contents
from zonemint.app.doctor.finding import Finding
from zonemint.app.succession_watch import due
from zonemint.app.zone_list import every, unserved
from zonemint.config import Config, DataDir
from zonemint.core.clock import rfc3339
from zonemint.core.errors import ConfigError
from zonemint.pki import authority as authority_
from zonemint.pki.authority import Authority
from zonemint.pki.key_source import key_source
from zonemint.store.database import Database

__all__ = ["authority", "zones"]


async def zones(config: Config, data: DataDir, db: Database) -> AsyncIterator[Finding]:
    """Build each zone from its file and the store, as a server that starts does."""
    plans = every(config, data)
    for zone in plans:
        what = f"the zone {zone}"
        try:
            found, _ = await contents(db, config, data, zone, zones=plans)
        except ConfigError as error:
            yield Finding.wrong(what, str(error), "mend the line; a server that runs keeps the zone as it was")
        else:
            yield Finding.ok(what, f"{len(found)} records")
    for file, why in unserved(config, data):
        yield Finding.note(f"the file {file.name}", f"it is not served: {why}", "rename or remove it")


def authority(config: Config, data: DataDir, now: float) -> tuple[Authority | None, Finding]:
    """Read the authority; None when it cannot be used."""
    what = "the authority"
    try:
        found = authority_.load(data.pki, now=now, needs_key=False, source=key_source(config, data.path))
        check_domains(config, found)
    except ConfigError as error:
        return None, Finding.wrong(what, str(error), "see `zonemint init --help`, or restore the folder from a backup")
    end = rfc3339(found.current.not_after)
    longest = max(float(one.lifetime or 0) for one in config.every_profile.values())
    if now >= due(found, longest, found.root.not_valid_after_utc.timestamp(), now=now).at:
        advice = (
            "`zonemint ca rotate-intermediate`, or `rotate-root` if the root ends as soon: "
            "certificates never outlive either, so they get shorter and shorter"
        )
        return found, Finding.note(what, f"its intermediate ends at {end}, and is not replaced yet", advice)
    where = "its key is here" if found.can_sign else "its key is on other nodes"
    return found, Finding.ok(what, f"it signs until {end}, and {where}")
