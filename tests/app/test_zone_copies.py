"""Copies of secondary zones on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonemint.app.zone_copies import ZoneCopies
from zonemint.config import DataDir
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone


@pytest.mark.parametrize(
    "origin", ["lab.test", "0/25.2.0.192.in-addr.arpa", r"\.\./\.\./x.test", ("a" * 60 + ".") * 4 + "t"]
)
async def test_a_copy_is_read_as_it_was_written_and_lies_in_the_folder(origin: str, tmp_path: Path) -> None:
    copies = ZoneCopies(DataDir(tmp_path))
    zone = Zone.build(origin, [Record(origin, 60, "SOA", "ns. host. 7 1 2 3 4"), Record(origin, 60, "NS", "ns.")])
    await copies.write(zone, 1234.0)
    assert copies.file(origin).parent == tmp_path / "secondary"
    found = copies.read(origin)
    assert found is not None
    assert (found[0].nodes, found[1]) == (zone.nodes, 1234.0)
    assert copies.file(origin).stat().st_mode & 0o077 == 0
    copies.forget(origin)
    assert copies.read(origin) is None
