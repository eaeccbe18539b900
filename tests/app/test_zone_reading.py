"""Files in files: which are read, and which are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonemint.app.zone_list import single
from zonemint.app.zone_reading import Around, ZoneFiles, fill, fixed_records
from zonemint.config import Config
from zonemint.core.errors import ConfigError
from zonemint.dns import wire
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.zone import Zone

ZONE = "lab.test"


def names(file: Path) -> dict[str, int]:
    found = fixed_records(Config(ZONE), single(file, ZONE), "127.0.0.1")
    return {one.name.removesuffix(f".{ZONE}"): one.line for one in found if one.line}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "zones/parts").mkdir(parents=True)
    return tmp_path / "zones/lab.test.zone"


def test_an_included_file_has_its_own_origin_and_leaves_the_including_ones(file: Path) -> None:
    """RFC 1035 section 5.1."""
    file.write_text("$TTL 60\na A 192.0.2.1\n$INCLUDE parts/one sub\n A 192.0.2.2\nb A 192.0.2.1\n")
    (file.parent / "parts/one").write_text("c A 192.0.2.3\n$ORIGIN deep\n$TTL 5\n$INCLUDE two\n")
    (file.parent / "parts/two").write_text("d A 192.0.2.4\n")
    assert names(file) == {"a": 4, "c.sub": 3, "d.deep.sub": 3, "b": 5}


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "parts/link", "/", "parts/../../secret"])
def test_what_lies_outside_of_the_folder_is_not_read(file: Path, name: str) -> None:
    (file.parents[1] / "secret").write_text("x 60 A 192.0.2.1\n")
    (file.parent / "parts/link").symlink_to(file.parents[1] / "secret")
    file.write_text(f"$INCLUDE {name}\n")
    with pytest.raises(ConfigError, match=rf"{file}:1: \$INCLUDE: .* lies outside of"):
        names(file)


def test_a_circle_ends(file: Path) -> None:
    file.write_text("$INCLUDE lab.test.zone\n")
    with pytest.raises(ConfigError, match="files are in files 8 deep at most"):
        names(file)


def test_what_is_no_text_is_told(file: Path) -> None:
    file.write_bytes(b'b 60 A 192.0.2.1\na 60 TXT "caf\xe9"\n')
    with pytest.raises(ConfigError, match=rf"{file}:2: the byte 0xe9 is not UTF-8; in a string write it as '\\233'"):
        names(file)
    file.write_bytes("\ufeffa 60 A 192.0.2.1\n".encode())
    assert names(file) == {"a": 1}
    file.write_text('$INCLUDE "parts"\n')
    with pytest.raises(ConfigError, match="there is no file"):
        names(file)


def test_step_by_step_it_is_the_same_zone(file: Path) -> None:
    file.write_text(
        "$TTL 60\n$GENERATE 1-1000 h$ A 192.0.2.1\n$GENERATE 1-100 many A 192.0.2.$\na.b CNAME h1\nc NS x.\n"
    )
    config, plan = Config(ZONE), single(file, ZONE)
    filling = Filling(ZONE)
    assert len(list(fill(config, plan, ZoneFiles(file), "127.0.0.1", Around(), filling))) > 3
    one = Zone.filled(filling)
    other = Zone.build(ZONE, fixed_records(config, plan, "127.0.0.1"))
    assert one.nodes == other.nodes
    assert one._children == other._children
    assert one._cuts == other._cuts == {wire.name_from_text(f"c.{ZONE}")}
    again = ZoneFiles(file)
    list(fill(config, plan, again, "127.0.0.2", Around(), Filling(ZONE)))
    first = ZoneFiles(file)
    list(fill(config, plan, first, "127.0.0.1", Around(), Filling(ZONE)))
    assert again.digest.digest() != first.digest.digest()


def test_the_last_line_of_a_name_that_is_wrong_is_told(file: Path) -> None:
    file.write_text("$TTL 60\na A 192.0.2.1\nb A 192.0.2.1\na CNAME b\nc A 192.0.2.1\n")
    with pytest.raises(ConfigError, match=rf"{file}:4: a\.lab\.test has a CNAME record and other data: A"):
        list(fill(Config(ZONE), single(file, ZONE), ZoneFiles(file), "127.0.0.1", Around(), Filling(ZONE)))
