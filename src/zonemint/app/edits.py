"""Dynamic records as people write them: read, added and removed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from zonemint.app.contents import canonical, contents
from zonemint.app.dynamic import change
from zonemint.app.zone_list import zone_of
from zonemint.config import Config, DataDir
from zonemint.core.errors import ConfigError
from zonemint.core.names import absolute, is_within
from zonemint.dns import codes, rdata
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.records import Record
from zonemint.store import records
from zonemint.store.database import Database
from zonemint.store.records import DynamicRecord

__all__ = ["add", "owner", "read_record", "remove", "type_of"]

_ENDS_IN_NAME = frozenset({"CNAME", "DNAME", "MX", "NS", "PTR", "SRV"})


def owner(config: Config, data: DataDir, zone: str, text: str) -> str:
    """Read the name of a record, relative to its zone or absolute, perhaps a wildcard; raises BadName, ConfigError."""
    wildcard = "*." if text == "*" or text.startswith("*.") else ""
    name = absolute(text.removeprefix("*").removeprefix(".") or "@" if wildcard else text, zone)
    if auth := next((one for one in config.auth_zones if is_within(name, one)), None):
        raise ConfigError(f"{name} lies in {auth}: the records there are those of the acme-dns API")
    if (nearest := zone_of(config, data, name)) != zone:
        raise ConfigError(f"{name} lies in {f'the zone {nearest}' if nearest else 'no zone of ours'}, not in {zone}")
    return wildcard + name


def type_of(text: str) -> str:
    """Read a record type in any letter case; raises ConfigError."""
    try:
        return codes.type_to_text(codes.type_from_text(text))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def read_record(zone: str, name: str, ttl: int, type_: str, words: Sequence[str]) -> Record:
    """Read one record from the words of its data; raises ConfigError.

    They are those of a zone file, with two exceptions for what is meant: a name that lies in the zone needs no final
    dot, and each word of a TXT that does not begin with a quote is one text, spaces and all.
    """
    try:
        data = " ".join(map(_quoted, words)) if type_ == "TXT" else " ".join(_ended(type_, zone, words))
        found = zonefile.parse(f"{name}. {ttl} IN {type_} {data}\n", zone, file="")
    except UnicodeEncodeError:
        raise ConfigError(f"the data of {name} {type_} are not UTF-8") from None
    except ConfigError as error:
        raise ConfigError(error.detail) from None
    if len(found) != 1:
        raise ConfigError(f"the data of {name} {type_} are not those of one record")
    return Record(name, ttl, type_, canonical(found[0]))


async def add(db: Database, config: Config, data: DataDir, zone: str, record: Record, *, actor: str, by: str) -> bool:
    """Add a record, or give it its new TTL; tell whether anything changed. Raises ConfigError as `change` does."""
    same = [one for one in await _dynamic(db, zone, record.name, record.type) if canonical(one) == record.data]
    if any(one.ttl == record.ttl for one in same):
        return False
    wanted = DynamicRecord(zone, record.name, record.type, record.data, record.ttl, int(time.time() * 1000), by)
    return await change(db, config, data, zone, actor=actor, add=[wanted], remove=same)


async def remove(
    db: Database, config: Config, data: DataDir, zone: str, name: str, type_: str, content: str | None, *, actor: str
) -> list[DynamicRecord]:
    """Remove the dynamic records of a name and type, or the one with this data in canonical form; return them.

    Raises ConfigError when there is none, and says where the record comes from if it is served all the same.
    """
    old = await _dynamic(db, zone, name, type_)
    gone = [one for one in old if content is None or canonical(one) == content]
    if not gone:
        for one in (await contents(db, config, data, zone))[0]:
            if (one.name, one.type) == (name, type_) and content in (None, one.data) and one.source != "dynamic":
                if one.source == "file":
                    raise ConfigError(
                        f"{name} {type_} is in the zone file: edit it there", file=one.file, line=one.line
                    )
                raise ConfigError(f"{name} {type_} is implied: what the zone file says about {name} takes its place")
        raise ConfigError(f"there is no dynamic record {' '.join(filter(None, (name, type_, content)))}")
    await change(db, config, data, zone, actor=actor, remove=gone)
    return gone


async def _dynamic(db: Database, zone: str, name: str, type_: str) -> list[DynamicRecord]:
    return await db.read(records.at(zone, name, type_))


def _quoted(word: str) -> str:
    if word.startswith('"'):
        return word
    wire = rdata.txt(word)
    return rdata.to_text(codes.TXT, wire, 0, len(wire))


def _ended(type_: str, zone: str, words: Sequence[str]) -> list[str]:
    *others, last = " ".join(words).split() or [""]
    if type_ in _ENDS_IN_NAME:
        last = last.lower() + "." * is_within(last.lower(), zone)
    return [*others, last]
