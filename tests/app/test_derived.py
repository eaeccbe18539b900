"""Names of a hosts file, pointers for addresses elsewhere, and zones of views: all follow what they are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from zonemint.app.contents import contents
from zonemint.app.derived import hosts
from zonemint.app.zone_reading import edit_of
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir, Dns, Listen, View, ZoneSettings
from zonemint.core.clock import system_clock
from zonemint.core.errors import ConfigError
from zonemint.dns.zones.catalog import Catalog
from zonemint.store.sqlite import SqliteDatabase

ZONE, BACK, BACK6 = "lab.test", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"
CONFIG = Config(
    ZONE,
    roles=("ca", "dns"),
    listen=Listen("0.0.0.0", "198.51.100.1"),
    dns=Dns(hosts="hosts"),
    zones={BACK: ZoneSettings(reverse_of=(ZONE,)), BACK6: ZoneSettings(reverse_of=(ZONE, "box"))},
    views={"inside": View(networks=("10.0.0.0/8",))},
)


class Lab:
    """The zones of a server; `at` says what one has at a name."""

    def __init__(self, data: DataDir) -> None:
        self.data = data
        self.db = SqliteDatabase(data.database)
        usual = Catalog()
        self.catalogs = {"": usual, "inside": Catalog(usual)}
        self.keeper = ZoneKeeper(self.catalogs, self.db, {}, CONFIG, data, "198.51.100.1", system_clock)

    async def look(self) -> None:
        for _ in range(2):
            await self.keeper.reload_changed_files()
        assert not self.keeper.failures

    def at(self, zone: str, name: str, view: str = "") -> list[str]:
        found = self.catalogs[view].get(zone)
        assert found is not None
        return sorted(f"{one.type} {one.data}" for one in found.records() if one.name == name and one.type != "SOA")

    def serial(self, zone: str) -> int:
        found = self.catalogs[""].get(zone)
        assert found is not None
        return found.serial


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    data = DataDir(tmp_path)
    (tmp_path / "views/inside").mkdir(parents=True)
    data.zones.mkdir()
    data.zone_file(ZONE).write_text("www 60 A 192.0.2.1\nother 60 A 203.0.113.1\n*.w 60 A 192.0.2.9\n")
    data.zone_file(BACK).write_text("7 60 PTR mine.lab.test.\n")
    (tmp_path / "hosts").write_text(
        "127.0.0.1 localhost\n192.0.2.5 nas.lab.test nas # a comment\n2001:db8::5 NAS.lab.test\n"
    )
    one = Lab(data)
    await one.keeper.load()
    yield one
    await one.db.close()


async def test_names_of_the_hosts_file_have_their_addresses(lab: Lab) -> None:
    assert lab.at(ZONE, "nas.lab.test") == ["A 192.0.2.5", "AAAA 2001:db8::5"]
    lab.data.zone_file(ZONE).write_text("nas 60 TXT mine\n")
    (lab.data.path / "hosts").write_text("192.0.2.6 nas.lab.test two.lab.test ns1.lab.test\n")
    await lab.look()
    assert lab.at(ZONE, "nas.lab.test") == ['TXT "mine"']
    assert lab.at(ZONE, "two.lab.test") == ["A 192.0.2.6"]
    assert lab.at(ZONE, "ns1.lab.test") == ["A 192.0.2.6"]
    before = lab.serial(ZONE)
    (lab.data.path / "hosts").write_text("192.0.2.6 nas.lab.test two.lab.test ns1.lab.test # the same\n")
    await lab.look()
    assert lab.serial(ZONE) == before


async def test_a_hosts_file_that_is_wrong_is_told_with_its_line(lab: Lab) -> None:
    (lab.data.path / "hosts").write_text("192.0.2.5 nas.lab.test\nnas.lab.test 192.0.2.5\n")
    await lab.keeper.reload_changed_files()
    assert f"{lab.data.path}/hosts:2: 'nas.lab.test' is not an address" in lab.keeper.failures[ZONE]
    assert lab.at(ZONE, "nas.lab.test")


async def test_addresses_have_pointers_back(lab: Lab) -> None:
    assert lab.at(BACK, f"1.{BACK}") == ["PTR www.lab.test."]
    assert lab.at(BACK, f"5.{BACK}") == ["PTR nas.lab.test."]
    assert lab.at(BACK, f"9.{BACK}") == []
    assert lab.at(BACK, BACK) == ["NS ns1.lab.test."]
    assert lab.at(BACK6, "5." + "0." * 23 + BACK6) == ["PTR nas.lab.test."]


async def test_pointers_follow_every_change_of_an_address(lab: Lab) -> None:
    first = lab.serial(BACK)
    edits = [edit_of("dyn.lab.test", "A", 60, "192.0.2.8"), edit_of("x.lab.test", "A", 60, "192.0.2.7")]
    await lab.keeper.change(ZONE, lambda draft: edits, actor="me", by="test")
    await lab.keeper.reload_changed_files()
    assert lab.at(BACK, f"8.{BACK}") == ["PTR dyn.lab.test."]
    assert lab.at(BACK, f"7.{BACK}") == ["PTR mine.lab.test."]
    second = lab.serial(BACK)
    assert second > first
    txt = edit_of("x.lab.test", "TXT", 60, '"nothing to do with it"')
    await lab.keeper.change(ZONE, lambda draft: [txt], actor="me", by="test")
    await lab.keeper.reload_changed_files()
    assert lab.serial(BACK) == second
    lab.data.zone_file(ZONE).write_text("two 60 A 192.0.2.8\n")
    await lab.look()
    assert lab.at(BACK, f"8.{BACK}") == ["PTR dyn.lab.test.", "PTR two.lab.test."]
    assert lab.at(BACK, f"1.{BACK}") == []


async def test_a_pointer_of_ones_own_stays_beside_those_that_are_made(lab: Lab) -> None:
    own = edit_of(f"200.{BACK}", "PTR", 60, "own.lab.test.")
    await lab.keeper.change(BACK, lambda draft: [own], actor="me", by="test")
    await lab.keeper.change(ZONE, lambda draft: [edit_of("a.lab.test", "A", 60, "192.0.2.77")], actor="me", by="test")
    await lab.look()
    assert lab.at(BACK, f"200.{BACK}") == ["PTR own.lab.test."]
    assert lab.at(BACK, f"77.{BACK}") == ["PTR a.lab.test."]


async def test_commands_show_what_is_served(lab: Lab) -> None:
    await lab.keeper.change(ZONE, lambda draft: [edit_of("a.lab.test", "A", 60, "192.0.2.77")], actor="me", by="test")
    await lab.look()
    for zone in (ZONE, BACK, BACK6):
        found, serial = await contents(lab.db, CONFIG, lab.data, zone)
        served = lab.catalogs[""].get(zone)
        assert served is not None
        assert serial == served.serial
        assert {(one.name, one.ttl, one.type, one.data) for one in found} == {
            (one.name, one.ttl, one.type, one.data) for one in served.records()
        }


async def test_a_view_has_its_own_zones_over_the_usual_ones(lab: Lab) -> None:
    folder = lab.data.path / "views/inside"
    assert lab.at(ZONE, "www.lab.test", "inside") == ["A 192.0.2.1"]
    (folder / "lab.test.zone").write_text("www 60 A 10.0.0.1\n")
    (folder / "only.test.zone").write_text("www 60 A 10.0.0.2\n")
    await lab.look()
    assert lab.at(ZONE, "www.lab.test", "inside") == ["A 10.0.0.1"]
    assert lab.at(ZONE, "ca.lab.test", "inside") == ["A 198.51.100.1"]
    assert lab.at(ZONE, "www.lab.test") == ["A 192.0.2.1"]
    assert lab.at("only.test", "www.only.test", "inside") == ["A 10.0.0.2"]
    assert lab.catalogs[""].get("only.test") is None
    assert lab.at(BACK, f"1.{BACK}", "inside") == ["PTR www.lab.test."]
    lab.data.zone_file(BACK).write_text("7 60 PTR other.lab.test.\n")
    (folder / "lab.test.zone").write_text("www 60 A nothing\n")
    await lab.keeper.reload_changed_files()
    assert f"{folder}/lab.test.zone:1: " in lab.keeper.failures["inside/lab.test"]
    assert lab.at(ZONE, "www.lab.test", "inside") == ["A 10.0.0.1"]
    assert lab.at(BACK, f"7.{BACK}", "inside") == ["PTR other.lab.test."]
    (folder / "lab.test.zone").unlink()
    await lab.look()
    assert lab.at(ZONE, "www.lab.test", "inside") == ["A 192.0.2.1"]


@given(st.text(st.sampled_from("1270.: #\n\tabc%é/-_"), max_size=80))
def test_any_text_is_hosts_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "hosts"
    file.write_text(text)
    try:
        found = hosts(file)
    except ConfigError:
        return
    assert all(name == name.lower() for name, _ in found)


@pytest.mark.parametrize(
    ("zones", "says"),
    [
        ({"lab2.test": ZoneSettings(reverse_of=(ZONE,))}, "lab2.test is no reverse zone"),
        ({BACK: ZoneSettings(reverse_of=("a b",))}, "'a b' is not a domain name"),
    ],
)
def test_settings_that_make_no_sense_are_told(zones: dict[str, ZoneSettings], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Config(ZONE, zones=zones)
