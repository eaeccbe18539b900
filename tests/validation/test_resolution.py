"""Who is asked: real name servers that are not ours, each zone on its own, and what none may say of the others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import dns.rcode
import pytest
import pytest_asyncio

from tests.dns.asking import lab_catalog, views
from tests.validation.knot import free_port, serving
from tests.validation.nameserver import NameServer
from zonemint.app.resolvers import SystemServers, resolver
from zonemint.config import Config, Validation
from zonemint.config.resolvers import endpoints
from zonemint.config.values import Seconds
from zonemint.core.errors import DnsFailure
from zonemint.core.trace import Event
from zonemint.dns.server import DnsServer
from zonemint.validation.follow import Found, follow
from zonemint.validation.resolution import ByZone
from zonemint.validation.resolver import Resolver

ROOT, TEST, CORP, OTHER = "127.0.0.61", "127.0.0.62", "127.0.0.63", "127.0.0.64"
DEAD = "127.0.0.65"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A DNS from its root down, a process for each level; yields the port of all."""
    folder = tmp_path_factory.mktemp("knot")
    port = free_port(ROOT, TEST, CORP, OTHER, DEAD)
    root = f"@ NS ns.\nns. A {ROOT}\ntest. NS ns.test.\nns.test. A {TEST}\nother. NS ns.corp.test.\n"
    root += "nowhere. NS ns.nowhere.\n"
    test = f"@ NS ns\nns A {TEST}\ncorp NS dead.corp\ncorp NS ns.corp\ndead.corp A {DEAD}\nns.corp A {CORP}\n"
    test += "www CNAME host.corp.test.\nlate A 192.0.2.1\n"
    corp = f'@ NS ns\nns A {CORP}\nhost TXT "here"\nhost A 192.0.2.7\nold DNAME new.corp.test.\na.new TXT moved\n'
    corp += "out CNAME x.other.\n"
    other = "@ NS ns.corp.test.\nx TXT elsewhere\n"
    with (
        serving(folder / "root", ROOT, port, {".": root}),
        serving(folder / "test", TEST, port, {"test": test}),
        # It claims a name of a zone that it is not asked for.
        serving(folder / "corp", CORP, port, {"corp.test": corp, "other": other}),
    ):
        yield port


def asking(timeout: float = 5, **settings: object) -> Resolver:
    config = Config("lab.test", validation=Validation(attempts=1, timeout=Seconds(timeout), **settings))  # type: ignore[arg-type]
    return resolver(config, None, time.time)


async def found(resolver: Resolver, name: str, type_: str = "TXT") -> tuple[Found, list[Event]]:
    told: list[Event] = []
    return await follow(resolver, name, type_, told.append), told


@pytest.fixture
def iterating(tree: int) -> Resolver:
    return asking(resolver="authoritative", root_servers=(f"{ROOT}:{tree}",))


async def test_from_the_root_down_each_zone_is_asked_itself(iterating: Resolver, tree: int) -> None:
    end, told = await found(iterating, "host.corp.test")
    assert end.values == ("here",)
    peers = [event.peer for event in told]
    assert [peers[0], peers[1], peers[-1]] == [f"{ROOT}:{tree}", f"{TEST}:{tree}", f"{CORP}:{tree}"]
    assert "ask the servers of test" in told[0].detail
    assert "ask the servers of corp.test" in told[1].detail
    # A server that is dead is named, and costs a part of the time only.
    assert {event.peer for event in told[2:-1]} <= {f"{DEAD}:{tree}"}


async def test_what_is_known_of_delegations_is_not_asked_again(iterating: Resolver, tree: int) -> None:
    await found(iterating, "host.corp.test")
    _, told = await found(iterating, "nothing.corp.test")
    assert {event.peer for event in told} <= {f"{DEAD}:{tree}", f"{CORP}:{tree}"}


async def test_a_negative_answer_is_asked_for_anew_each_time(iterating: Resolver) -> None:
    for _ in range(2):
        end, told = await found(iterating, "missing.test")
        assert end.answer.rcode == "NXDOMAIN"
        assert "NXDOMAIN" in told[-1].detail


async def test_aliases_lead_across_zones_and_names_of_servers_are_looked_for(iterating: Resolver, tree: int) -> None:
    end, told = await found(iterating, "out.corp.test")
    assert end.path == ("out.corp.test", "x.other")
    assert end.values == ("elsewhere",)
    assert any(event.data == {"name": "x.other", "type": "TXT", "rcode": "NOERROR"} for event in told)
    assert [event.peer for event in told].count(f"{ROOT}:{tree}") == 2  # once for each of the two trees


async def test_a_dname_is_followed(iterating: Resolver) -> None:
    end, _ = await found(iterating, "a.old.corp.test")
    assert (end.path[-1], end.values) == ("a.new.corp.test", ("moved",))


async def test_addresses_are_found_the_same_way(iterating: Resolver) -> None:
    end, _ = await found(iterating, "www.test", "A")
    assert (end.path, end.values) == (("www.test", "host.corp.test"), ("192.0.2.7",))


async def test_a_delegation_without_an_address_is_a_failure_that_says_so(iterating: Resolver) -> None:
    with pytest.raises(DnsFailure, match=r"the name servers of nowhere \(ns\.nowhere\) have no address"):
        await found(iterating, "host.nowhere")


async def test_a_server_without_the_zone_does_not_say_that_there_is_nothing() -> None:
    async with NameServer(["host.lame.test A 192.0.2.1"]).running() as lame:
        config = Config("lame.test", validation=Validation(timeout=Seconds(1)))
        asked = resolver(config, endpoints(lame.address)[0], time.time)
        for name in ("host.lame.test", "gone.lame.test"):
            with pytest.raises(DnsFailure, match=f"{lame.address} does not speak for {name}"):
                await found(asked, name)


async def test_only_caa_of_our_own_zones_is_asked_without_a_packet() -> None:
    config = Config("lab.test", validation=Validation(timeout=Seconds(0.2)))
    silent = ("127.0.0.1", free_port("127.0.0.1"))
    asked = resolver(config, silent, time.time, DnsServer(views(lab_catalog())).answer)
    caa, told = await found(asked, "host.lab.test", "CAA")
    assert (caa.answer.rcode, caa.answer.server) == ("NXDOMAIN", f"127.0.0.1:{silent[1]}")
    assert [event.what for event in told] == ["dns-query"]
    with pytest.raises(DnsFailure):
        await found(asked, "host.lab.test", "TXT")


async def test_an_authoritative_server_speaks_only_for_its_zone() -> None:
    lines = ["a.lame.test CNAME b.lame.test.", "b.lame.test CNAME x.victim.", "x.victim TXT forged"]
    async with NameServer(lines, chases=True, authoritative=True).running() as server:
        config = Config("lame.test", validation=Validation(attempts=1, timeout=Seconds(5)))
        asked = resolver(config, endpoints(server.address)[0], time.time)
        assert isinstance(asked, ByZone)
        told: list[Event] = []
        answer = await asked.zones["lame.test"]("a.lame.test", "TXT", told.append)
    assert [(one.name, one.type) for one in answer.records] == [("a.lame.test", "CNAME"), ("b.lame.test", "CNAME")]
    assert "forged" in told[0].detail


@pytest_asyncio.fixture
async def one() -> AsyncIterator[NameServer]:
    async with NameServer(
        ["host.corp.test TXT one", "a.test CNAME b.corp.test.", "x.test TXT far"]
    ).running() as server:
        yield server


@pytest_asyncio.fixture
async def two() -> AsyncIterator[NameServer]:
    async with NameServer(["host.corp.test TXT two", "b.corp.test CNAME x.test."]).running() as server:
        yield server


async def test_the_longest_zone_says_whom_to_ask(one: NameServer, two: NameServer) -> None:
    asked = asking(resolver=one.address, resolvers={"test": one.address, "corp.test": two.address})
    assert (await found(asked, "host.corp.test"))[0].values == ("two",)
    assert (await found(asked, "x.test"))[0].values == ("far",)
    assert two.asked == ["host.corp.test TXT"]


async def test_each_hop_is_asked_of_its_own_zone(one: NameServer, two: NameServer) -> None:
    asked = asking(resolver=one.address, resolvers={"corp.test": two.address})
    end, told = await found(asked, "a.test")
    assert (end.path, end.values) == (("a.test", "b.corp.test", "x.test"), ("far",))
    assert [event.peer for event in told] == [one.address, two.address, one.address]


async def test_no_server_speaks_for_names_that_another_one_is_asked_for(one: NameServer, two: NameServer) -> None:
    one.chases = True
    one.lines = ["a.test CNAME host.corp.test.", "host.corp.test TXT forged"]
    asked = asking(resolver=one.address, resolvers={"corp.test": two.address})
    assert (await found(asked, "a.test"))[0].values == ("two",)


@pytest.mark.parametrize("fault", ["silent", "SERVFAIL", "REFUSED"])
async def test_the_next_server_of_a_list_is_asked(one: NameServer, two: NameServer, fault: str) -> None:
    if fault == "silent":
        one.silent = True
    else:
        one.rcode = dns.rcode.from_text(fault)
    end, told = await found(asking(0.4, resolver=(one.address, two.address)), "host.corp.test")
    assert end.values == ("two",)
    assert [event.peer for event in told] == [one.address, two.address]


async def test_no_such_name_is_an_answer(one: NameServer, two: NameServer) -> None:
    end, _ = await found(asking(resolver=(one.address, two.address)), "b.corp.test")
    assert end.answer.rcode == "NXDOMAIN"
    assert two.asked == []


async def test_when_all_fail_all_are_named_within_the_time(one: NameServer, two: NameServer) -> None:
    one.silent = two.silent = True
    began = time.perf_counter()
    with pytest.raises(DnsFailure) as caught:
        await found(asking(0.2, resolver=(one.address, two.address)), "host.corp.test")
    assert time.perf_counter() - began < 5
    assert one.address in str(caught.value)
    assert two.address in str(caught.value)


async def test_the_systems_servers_are_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    servers = SystemServers(file)
    assert list(servers()) == []
    file.write_text("nameserver 192.0.2.1\n")
    assert list(servers()) == [("192.0.2.1", 53)]
    file.write_text("nameserver 192.0.2.2\nnameserver 2001:db8::1\n")
    assert list(servers()) == [("192.0.2.2", 53), ("2001:db8::1", 53)]
