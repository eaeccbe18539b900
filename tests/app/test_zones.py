from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from tests.cli.program import run
from tests.server import DOMAIN, Running, running, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("zones") / "data") as one:
        yield one


@pytest.fixture
def file(server: Running) -> Iterator[Path]:
    """The zone file, put back as it was."""
    path = server.folder / f"zones/{DOMAIN}.zone"
    text = path.read_text()
    yield path
    path.write_text(text)
    until(lambda: reload_failed(server) is None, "the old file is served again")


def serial(server: Running) -> int:
    return int(server.answers(DOMAIN, "SOA")[0].split()[2])


def reload_failed(server: Running) -> str | None:
    """The sample that tells of a broken file, if there is one."""
    lines = server.fetch("/metrics").decode().splitlines()
    return next((line for line in lines if line.startswith("zonemint_zone_reload_failed{")), None)


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_an_edited_file_is_served_with_a_greater_serial(server: Running, file: Path) -> None:
    before = serial(server)
    append(file, "edited IN A 192.0.2.7\n")
    until(lambda: server.answers(f"edited.{DOMAIN}", "A") == ["192.0.2.7"], "the new record", seconds=10)
    assert serial(server) > before


def test_a_file_that_is_replaced_is_noticed(server: Running, file: Path) -> None:
    other = file.with_name("new")
    other.write_text(file.read_text() + "replaced IN A 192.0.2.8\n")
    other.rename(file)
    until(lambda: server.answers(f"replaced.{DOMAIN}", "A") == ["192.0.2.8"], "the new record", seconds=10)


def test_a_record_that_is_taken_out_is_gone(server: Running, file: Path) -> None:
    text = file.read_text()
    append(file, "short-lived IN A 192.0.2.9\n")
    until(lambda: bool(server.answers(f"short-lived.{DOMAIN}", "A")), "the record")
    file.write_text(text)
    until(lambda: server.ask(f"short-lived.{DOMAIN}", "A").rcode() == dns.rcode.NXDOMAIN, "it is gone")


def test_a_broken_file_keeps_the_old_zone_until_it_is_mended(server: Running, file: Path) -> None:
    append(file, "kept IN A 192.0.2.1\n")
    until(lambda: server.answers(f"kept.{DOMAIN}", "A") == ["192.0.2.1"], "the record")
    good, before = file.read_text(), serial(server)
    assert reload_failed(server) is None
    append(file, "kept IN A 192.0.2.2\nbroken IN A nothing\n")
    until(lambda: reload_failed(server) is not None, "the metric")
    assert reload_failed(server) == f'zonemint_zone_reload_failed{{zone="{DOMAIN}"}} 1.0'
    assert f"{file}:{good.count(chr(10)) + 2}: " in server.said()
    assert server.answers(f"kept.{DOMAIN}", "A") == ["192.0.2.1"]
    assert serial(server) == before
    file.write_text(good + "kept IN A 192.0.2.2\n")
    until(lambda: len(server.answers(f"kept.{DOMAIN}", "A")) == 2, "the mended file")
    assert reload_failed(server) is None
    assert serial(server) > before


def test_a_file_that_vanishes_keeps_the_old_zone_until_it_is_back(server: Running, file: Path) -> None:
    append(file, "stays IN A 192.0.2.1\n")
    until(lambda: server.answers(f"stays.{DOMAIN}", "A") == ["192.0.2.1"], "the record")
    text, before = file.read_text(), serial(server)
    file.unlink()
    until(lambda: reload_failed(server) is not None, "the metric")
    assert f"{file}: the zone file is gone" in server.said()
    assert server.answers(f"stays.{DOMAIN}", "A") == ["192.0.2.1"]
    assert serial(server) == before
    file.write_text(text)
    until(lambda: reload_failed(server) is None, "the file is back")
    assert server.answers(f"stays.{DOMAIN}", "A") == ["192.0.2.1"]


def test_a_registered_name_is_in_the_very_next_answer(server: Running) -> None:
    """Also when the answer that there is no such name was given before."""
    for number in range(3):
        alias = f"_acme-challenge.next-{number}.{DOMAIN}"
        before = serial(server)
        assert server.ask(alias, "CNAME").rcode() == dns.rcode.NXDOMAIN
        assert server.register(f"next-{number}").returncode == 0
        assert len(server.answers(alias, "CNAME")) == 1
        assert serial(server) > before


def test_the_serial_grows_over_restarts(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as server:
        server.register("one")
        first = serial(server)
    append(folder / f"zones/{DOMAIN}.zone", "new IN A 192.0.2.1\n")
    with running(folder) as server:
        second = serial(server)
        assert server.answers(f"_acme-challenge.one.{DOMAIN}", "CNAME")
    assert second > first


def test_names_that_are_registered_while_it_is_down_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder):
        pass
    assert run("register", "later", "--data", folder).returncode == 0
    with running(folder) as server:
        assert server.answers(f"_acme-challenge.later.{DOMAIN}", "CNAME")
