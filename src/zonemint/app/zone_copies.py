"""Copies of secondary zones on disk, so that a restart answers at once and asks later."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import structlog

from zonemint.config import DataDir
from zonemint.core.errors import ConfigError, ForeignDataError
from zonemint.core.files import writing
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.records import Node, Record
from zonemint.dns.zones.zone import Zone

__all__ = ["ZoneCopies"]

_LONGEST = 200  # characters of a file's name, which every file system takes
_LINES = 500  # of a copy that are written between two turns for others

_log = structlog.get_logger()


class ZoneCopies:
    """One file for each zone; its modification time is when a primary last vouched for it."""

    def __init__(self, data: DataDir) -> None:
        self._folder = data.secondary

    def file(self, origin: str) -> Path:
        """Return where the copy of a zone is."""
        # A name may come from a catalog of others, and a slash is a letter like any other in it.
        name = quote(origin, safe="")
        return self._folder / f"{name if len(name) <= _LONGEST else sha256(origin.encode()).hexdigest()}.zone"

    def read(self, origin: str) -> tuple[Zone, float] | None:
        """Return a zone and when it was vouched for; None where there is no copy, or none that can be read."""
        file = self.file(origin)
        try:
            confirmed = file.stat().st_mtime
            filling = Filling(origin)
            with file.open(encoding="utf-8") as lines:
                for owner, type_, ttl, data, _ in zonefile.entries(lines, origin, file=file):
                    filling.add(owner, type_, ttl, data)
            for _ in filling.check():
                pass
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            _log.warning("the copy of a secondary zone is not used", zone=origin, why=str(error))
            return None
        return Zone.filled(filling), confirmed

    async def write(self, zone: Zone, confirmed: float) -> None:
        """Put a copy in place, in a thread; one that cannot be written costs the next start a transfer."""
        # The nodes are values, so the thread writes the zone of now.
        nodes = list(zone.nodes.items())
        try:
            await asyncio.to_thread(self._write, zone.origin, nodes, confirmed)
        except (OSError, ForeignDataError) as error:
            _log.error("a secondary zone cannot be kept on disk", zone=zone.origin, why=str(error))

    def confirm(self, origin: str, confirmed: float) -> None:
        """Note that a primary vouched for the copy that is there."""
        with suppress(OSError):
            os.utime(self.file(origin), (confirmed, confirmed))

    def forget(self, origin: str) -> None:
        """Remove the copy of a zone that is none of ours any more."""
        with suppress(OSError):
            self.file(origin).unlink()

    def _write(self, origin: str, nodes: list[tuple[bytes, Node]], confirmed: float) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        file = self.file(origin)
        with writing(file, private=True) as out:
            for text in _texts(nodes):
                out.write(text.encode())
        os.utime(file, (confirmed, confirmed))


def _texts(nodes: list[tuple[bytes, Node]]) -> Iterator[str]:
    records: list[Record] = []
    for owner, node in nodes:
        name = wire.name_to_text(owner)
        for rrset in node:
            type_ = codes.type_to_text(rrset.type)
            texts = [rdata.to_text(rrset.type, data, 0, len(data)) for data in rrset.data]
            records += [Record(name, rrset.ttl, type_, text) for text in texts]
        if len(records) >= _LINES:
            yield zonefile.write(records)
            records = []
    yield zonefile.write(records)
