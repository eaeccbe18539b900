"""Zones that a whole server signs: what a validator sees while keys come, are replaced and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from tests.web.lab import Clock, Lab, running, settings
from zonemint.app import dns as dns_parts
from zonemint.app import zone_keys
from zonemint.config import ZoneSettings
from zonemint.config.dnssec import Dnssec
from zonemint.config.values import Seconds
from zonemint.core.errors import ConfigError
from zonemint.store import dnssec_keys
from zonemint.store.dnssec_keys import DnssecKey, State
from zonemint.store.opening import open_store

PARENT, CHILD = "lab.test", "sub.lab.test"
TEXT = "$TTL 60\n@ SOA ns1 hostmaster 1 3600 600 86400 30\n@ NS ns1.lab.test.\nhost A 192.0.2.7\nlong 900 A 192.0.2.8\n"
WAIT = 20  # seconds of patience with a server that works each second


@asynccontextmanager
async def signed(folder: Path, clock: Clock, **zones: bool) -> AsyncIterator[Lab]:
    """Serve two zones, the one below the other."""
    said = {name.replace("_", "."): ZoneSettings(dnssec=is_signed) for name, is_signed in zones.items()}
    config = settings(zones=said, dnssec=Dnssec(propagation=Seconds(100), ds_ttl=Seconds(500)))
    async with running(folder, config, clock=clock) as lab:
        if CHILD in said:
            (folder / "zones" / f"{CHILD}.zone").write_text(TEXT)
        yield lab


async def until(seen: Callable[[], Any]) -> None:
    """Wait for something to be seen."""
    async with asyncio.timeout(WAIT):
        while not await seen():  # noqa: ASYNC110 - the other side is a server
            await asyncio.sleep(0.05)


async def asked(lab: Lab, name: str, type_: str) -> dns.message.Message:
    query = dns.message.make_query(name, type_, want_dnssec=True, payload=1232)
    return await dns.asyncquery.udp(query, "127.0.0.1", port=lab.server.dns_port, timeout=5)


async def rrset(lab: Lab, name: str, type_: str) -> tuple[dns.rrset.RRset | None, dns.rrset.RRset | None]:
    """Ask for a record set and its signatures."""
    message = await asked(lab, name, type_)
    wanted = dns.rdatatype.from_text(type_)
    found = next((one for one in message.answer if one.rdtype == wanted), None)
    signatures = next((one for one in message.answer if one.covers == wanted), None)
    return found, signatures


async def keys(lab: Lab, zone: str = CHILD) -> tuple[DnssecKey, ...]:
    db = await open_store(lab.config.store.database, lab.data.database)
    try:
        return await db.read(dnssec_keys.of_zone(zone))
    finally:
        await db.close()


async def write(lab: Lab, steps: Any) -> Any:
    """Do what a command does beside the server."""
    db = await open_store(lab.config.store.database, lab.data.database)
    try:
        return await db.write(steps)
    finally:
        await db.close()


class Resolver:
    """Believes the parent's DS record and keeps record sets as long as their TTL, by the lab's clock."""

    def __init__(self, lab: Lab, clock: Clock) -> None:
        self._lab = lab
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Any, Any]] = {}

    async def get(self, name: str, type_: str) -> tuple[Any, Any]:
        kept = self._kept.get((name, type_))
        if kept is None or kept[0] <= self._clock():
            found, signatures = await rrset(self._lab, name, type_)
            ttl = found.ttl if found is not None else 30
            kept = self._kept[name, type_] = (self._clock() + ttl, found, signatures)
        return kept[1:]

    async def check(self) -> None:
        """Assert that what is kept of the child, of whatever age, fits together with the parent's DS."""
        ds, _ = await self.get(CHILD, "DS")
        if ds is None:
            return
        dnskey, signatures = await self.get(CHILD, "DNSKEY")
        name = dns.name.from_text(CHILD)
        anchors = [key for key in dnskey if any(dns.dnssec.make_ds(name, key, "SHA256") == one for one in ds)]
        assert anchors, "no key of the zone is known at the parent"
        trusted: Any = {name: dns.rrset.from_rdata_list(name, 60, anchors)}
        dns.dnssec.validate(dnskey, signatures, trusted, now=self._clock())
        every: Any = {name: dnskey}
        for host in ("host", "long"):
            found, signed_by = await self.get(f"{host}.{CHILD}", "A")
            dns.dnssec.validate(found, signed_by, every, now=self._clock())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have a clock that a test moves, and a server that looks at it more often."""
    for pause in ("_FILE_WATCH", "_SIGNATURE_WATCH"):
        monkeypatch.setattr(dns_parts, pause, 0.05)
    return Clock()


async def test_a_key_comes_is_replaced_and_goes_and_no_answer_is_ever_bogus(tmp_path: Path, clock: Clock) -> None:
    async with signed(tmp_path, clock, lab_test=True, sub_lab_test=True) as lab:

        async def states() -> list[str]:
            return [key.state.value for key in await keys(lab)]

        resolver = Resolver(lab, clock)

        async def comes_to(*wanted: str) -> None:
            """Let time go by until the keys are in these states, and believe nothing that does not fit meanwhile."""
            async with asyncio.timeout(60):
                while await states() != list(wanted):
                    await resolver.check()
                    clock.offset += 20
                    await asyncio.sleep(0.03)
            await resolver.check()

        await until(lambda: rrset_there(lab, f"host.{CHILD}", "A"))
        await comes_to("active")
        ds, signatures = await rrset(lab, CHILD, "DS")
        assert ds is not None
        assert signatures is not None
        (first,) = await keys(lab)
        assert [item.key_tag for item in ds] == [first.tag]

        await write(lab, zone_keys.roll(CHILD, actor="test", clock=clock))
        with pytest.raises(ConfigError, match="under way"):
            await write(lab, zone_keys.roll(CHILD, actor="test", clock=clock))
        await comes_to("active")
        (second,) = await keys(lab)
        assert second.tag != first.tag
        ds, _ = await rrset(lab, CHILD, "DS")
        assert ds is not None
        assert [item.key_tag for item in ds] == [second.tag]

        await write(lab, zone_keys.disable(CHILD, actor="test", clock=clock))

        async def announces_its_end() -> bool:
            found, _ = await rrset(lab, CHILD, "CDS")
            return found is not None and [str(item) for item in found] == ["0 0 0 00"]

        await until(announces_its_end)
        await comes_to()

        async def is_plain() -> bool:
            return (await rrset(lab, f"host.{CHILD}", "A"))[1] is None

        await until(is_plain)
        assert (await rrset(lab, CHILD, "DS"))[0] is None
        assert not (await asked(lab, f"host.{CHILD}", "A")).flags & dns.flags.AD
    events = [row[0] for row in lab.rows("SELECT event FROM audit WHERE subject = ? ORDER BY sequence", CHILD)]
    assert events.count("dnssec-key.created") == 2
    assert events.count("dnssec-key.removed") == 2


async def rrset_there(lab: Lab, name: str, type_: str) -> bool:
    return (await rrset(lab, name, type_))[0] is not None


async def test_a_restart_signs_with_the_same_key_and_a_serial_stands_for_one_content(
    tmp_path: Path, clock: Clock
) -> None:
    told = []
    for _ in range(2):
        async with signed(tmp_path, clock, lab_test=True) as lab:
            soa, signatures = await rrset(lab, PARENT, "SOA")
            assert soa is not None
            assert signatures is not None
            told.append((soa[0].to_text(), signatures[0].to_text()))
    assert told[0] == told[1]


async def test_signatures_are_made_anew_under_another_serial(tmp_path: Path, clock: Clock) -> None:
    async with signed(tmp_path, clock, lab_test=True) as lab:
        soa, _ = await rrset(lab, PARENT, "SOA")
        assert soa is not None
        before = soa[0].serial
        clock.offset += 8 * 86400

        async def is_later() -> bool:
            _, signatures = await rrset(lab, PARENT, "NS")
            later, _ = await rrset(lab, PARENT, "SOA")
            assert signatures is not None
            assert later is not None
            return bool(later[0].serial > before and signatures[0].expiration > clock() + 6.9 * 86400)

        await until(is_later)


async def test_an_alias_made_while_the_server_runs_is_signed_and_leads_out_of_the_signed_part(
    tmp_path: Path, clock: Clock
) -> None:
    async with signed(tmp_path, clock, lab_test=True) as lab:
        await lab.delegate("server-1.lab.test")
        await lab.set_txt("v" * 43)
        message = await asked(lab, "_acme-challenge.server-1.lab.test", "TXT")
        covered = {dns.rdatatype.to_text(one.covers) for one in message.answer if one.rdtype == dns.rdatatype.RRSIG}
        assert covered == {"CNAME"}
        assert [one for one in message.answer if one.rdtype == dns.rdatatype.TXT]
        denied = await asked(lab, "auth.lab.test", "DS")
        (nsec,) = [one for one in denied.authority if one.rdtype == dns.rdatatype.NSEC]
        assert nsec.name == dns.name.from_text("auth.lab.test")


async def test_records_of_dnssec_are_not_for_others_to_change(tmp_path: Path, clock: Clock) -> None:
    async with signed(tmp_path, clock, lab_test=True) as lab:
        (key,) = await keys(lab, PARENT)
        assert key.state is State.NEW
        with pytest.raises(ConfigError, match="alone makes NSEC records"):
            await lab.add_record("x.lab.test", "NSEC", "y.lab.test. A")
