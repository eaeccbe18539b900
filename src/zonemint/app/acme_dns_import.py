"""The way of an acme-dns server into our store: accounts with their values, and static records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from zonemint.app import edits
from zonemint.app.zone_list import auth_of, zone_of
from zonemint.config import Config, DataDir
from zonemint.core.errors import BadName, ConfigError, ForeignDataError
from zonemint.core.hash_chain import Detail
from zonemint.core.names import is_within, normalize
from zonemint.importers import acme_dns_config
from zonemint.importers.acme_dns import Account, Found
from zonemint.importers.acme_dns_config import ForeignConfig, ForeignRecord
from zonemint.importers.acme_dns_database import is_sqlite, read_postgres, read_sqlite
from zonemint.importers.findings import Mapped, Refused
from zonemint.importers.postgres import is_url, url_of
from zonemint.store import audit, txt_import
from zonemint.store.database import Database, Steps
from zonemint.store.txt import TxtAccount, TxtValue
from zonemint.store.txt_import import Brought

__all__ = ["Report", "Source", "bring", "read"]

_BATCH = 500  # accounts in a transaction: short enough for the others who write
_BY = "zonemint import"


class Source(NamedTuple):
    """What was read: the configuration, if one was given, and all that the database holds."""

    config: ForeignConfig | None
    found: Found


class Report(msgspec.Struct, frozen=True):
    """What came and what did not; `moved` came earlier, and are now in the zone that they have there.

    names: those that CNAMEs lead to and that are others here, with what they are now; none where the zone is the same.
    """

    accounts: int
    accounts_here: int
    moved: int
    values: int
    records: int
    zone: str
    old_zone: str | None
    names: dict[str, str]
    refused: list[Refused]
    settings: list[Mapped]


async def read(place: str) -> Source:
    """Read a `config.cfg` with the database that it names, a SQLite file, or the URL of a PostgreSQL database.

    All of it is read and checked before anything is written. Raises ForeignDataError, OSError.
    """
    if is_url(place):
        return Source(None, await read_postgres(place))
    file = Path(place)
    if is_sqlite(file):
        return Source(None, await asyncio.to_thread(read_sqlite, file))
    config = acme_dns_config.load(file)
    if config.engine == "postgres":
        return Source(config, await read_postgres(url_of(config.connection)))
    # A relative path there is relative to where acme-dns was started, which is usually where its settings are.
    database = file.parent / config.connection
    if not database.is_file():
        raise ForeignDataError(f"{file}: the database {database} is not there: name the file itself instead")
    return Source(config, await asyncio.to_thread(read_sqlite, database))


async def bring(
    source: Source,
    db: Database,
    config: Config,
    data: DataDir,
    *,
    actor: str,
    now_ms: int,
    step: Callable[[int], None],
) -> Report:
    """Add what is not here yet; asked again it adds nothing, and goes on where it was stopped. Raises StoreError.

    step: called with the number of accounts that each transaction was for.
    """
    old_zone = source.config.domain if source.config else None
    zone = old_zone if old_zone in config.auth_zones else auth_of(config)
    accounts, moved, values = 0, 0, 0
    here: set[str] = set()
    refused = list(source.found.refused)
    for start in range(0, len(source.found.accounts), _BATCH):
        batch = source.found.accounts[start : start + _BATCH]
        brought, changed = await db.write(_bring(batch, zone, is_theirs=zone == old_zone, actor=actor, now_ms=now_ms))
        moved += changed
        accounts += len(brought.new)
        values += sum(len(one.values) for one in batch if one.username in brought.new)
        here |= brought.here
        refused += [Refused(f"account {name}", "another one here has its user name or label") for name in brought.taken]
        step(len(batch))
    records = 0
    for record in source.config.records if source.config else ():
        why = await _bring_record(record, db, config, data, actor)
        records += why is None
        refused += [Refused(f"record {record.line}", why)] if why else []
    missing = {one.what for one in refused}
    names = {
        f"{one.subdomain}.{old_zone}": f"{one.subdomain}.{zone}"
        for one in source.found.accounts
        if old_zone not in (None, zone) and f"account {one.username}" not in missing
    }
    settings = list(source.config.settings) if source.config else []
    return Report(accounts, len(here), moved, values, records, zone, old_zone, names, refused, settings)


def _bring(
    batch: Sequence[Account], zone: str, *, is_theirs: bool, actor: str, now_ms: int
) -> Steps[tuple[Brought, int]]:
    """Add a batch in one transaction; where the zone is their own, those who came without it get it now."""
    accounts = [
        TxtAccount(one.username, one.key_hash, zone, one.subdomain, one.allow_from, now_ms, _BY) for one in batch
    ]
    values = {one.username: [TxtValue(value.text, value.updated * 1000, _BY) for value in one.values] for one in batch}
    brought = yield from txt_import.bring(accounts, values)
    moved = (yield from txt_import.move(sorted(brought.here), zone, created_from=_BY)) if is_theirs else 0
    if brought.new or moved:
        told: Detail = {"accounts": len(brought.new), "moved": moved, "from": "acme-dns"}
        yield from audit.append(audit.Fact(audit.Kind.TXT_ACCOUNTS_IMPORTED, actor, zone, told), now=now_ms / 1000)
    return brought, moved


async def _bring_record(record: ForeignRecord, db: Database, config: Config, data: DataDir, actor: str) -> str | None:
    """Add a static record to the zone of ours that it lies in; return why not, or None."""
    try:
        name = normalize(record.name.removeprefix("*."))
        if any(is_within(name, auth) for auth in config.auth_zones):
            return "the records of this zone's own name are implied"
        zone = zone_of(config, data, name)
        if zone is None:
            return "its name lies in no zone of ours"
        owner = edits.owner(config, data, zone, record.name)
        wanted = edits.read_record(zone, owner, record.ttl, edits.type_of(record.type), record.words)
        is_new = await edits.add(db, config, data, zone, wanted, actor=actor, by=_BY)
    except (ConfigError, BadName) as error:
        return str(error)
    return None if is_new else "it is here already"
