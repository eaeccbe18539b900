"""Copies of secondary zones on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dns.asking import LAB
from zonemint.app.zone_copies import ZoneCopies
from zonemint.config import DataDir
from zonemint.dns import codes, wire
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.filling import Filling
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


async def test_a_zone_that_has_no_text_costs_no_other_its_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only those who validate look into is served as it came, and one such record ends no task."""
    copies = ZoneCopies(DataDir(tmp_path))
    filling = Filling("lab.test")
    for owner, type_, ttl, data, _ in zonefile.entries(LAB.splitlines(), "lab.test", file="x"):
        filling.add(owner, type_, ttl, data)
    filling.add(wire.name_from_text("x.lab.test"), codes.DS, 60, b"\0")
    list(filling.check())
    await copies.write(Zone.filled(filling), 1.0)
    assert copies.read("lab.test") is None
    assert "cannot be kept on disk" in capsys.readouterr().out
