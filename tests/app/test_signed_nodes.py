"""Nodes on one PostgreSQL sign alike, so a secondary may follow any of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.rdatatype

from tests.app.nodes import nodes
from tests.postgres import Postgres
from tests.web.lab import Lab
from zonemint.config import ZoneSettings


async def _signed(node: Lab, name: str, type_: str) -> list[str]:
    query = dns.message.make_query(name, type_, want_dnssec=True, payload=1232)
    message = await dns.asyncquery.udp(query, "127.0.0.1", port=node.server.dns_port, timeout=5)
    return sorted(item.to_text() for rrset in (*message.answer, *message.authority) for item in rrset)


async def test_two_nodes_make_the_same_signatures(tmp_path: Path, postgres: Postgres) -> None:
    zones = {"lab.test": ZoneSettings(dnssec=True)}
    async with nodes(tmp_path, postgres.database(), keys=(True, True), zones=zones) as two:
        first, second = two.each
        assert two.rows("SELECT count(*) FROM dnssec_keys") == [(1,)]
        await first.add_record("host.lab.test", "A", "192.0.2.7")
        for name, type_ in (("host.lab.test", "A"), ("nobody.lab.test", "A"), ("lab.test", "DNSKEY")):
            async with asyncio.timeout(20):
                while (found := await _signed(first, name, type_)) != await _signed(second, name, type_):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert any("lab.test." in one and len(one) > 100 for one in found)
