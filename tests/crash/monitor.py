"""What must only grow while servers come and go: the CRL and its number, the serial of a zone."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.message
from cryptography import x509

from tests.crash.ledger import Ledger
from tests.crash.nodes import Node
from tests.server import DOMAIN, HOST

__all__ = ["crl_of", "watch"]

_LOOK = 0.5  # seconds


async def watch(nodes: Sequence[Node], ledger: Ledger, stop: asyncio.Event) -> None:
    """Look at every node in turn; a node that is down says nothing."""
    numbers = dict.fromkeys(range(len(nodes)), 0)
    listed: dict[int, set[str]] = {number: set() for number in numbers}
    serials = dict.fromkeys(numbers, 0)
    while not stop.is_set():
        await asyncio.sleep(_LOOK)
        for index, node in enumerate(nodes):
            try:
                number, revoked = await asyncio.to_thread(crl_of, node)
                serial = await _serial_of(node)
            except (OSError, dns.exception.Timeout):
                continue
            assert number >= numbers[index], f"the CRL's number fell from {numbers[index]} to {number}"
            assert revoked >= listed[index], f"the CRL lost {listed[index] - revoked}"
            assert serial >= serials[index], f"the zone's serial fell from {serials[index]} to {serial}"
            numbers[index], listed[index], serials[index] = number, revoked, serial
            ledger.counts["looks at CRL and zone"] += 1


def crl_of(node: Node) -> tuple[int, set[str]]:
    """Return the number of the CRL that a node has, and the serials in it; raises OSError."""
    with urllib.request.urlopen(f"http://{HOST}:{node.ports.http}/crl", timeout=5) as reply:
        crl = x509.load_der_x509_crl(reply.read())
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return number, {f"{entry.serial_number:x}" for entry in crl}


async def _serial_of(node: Node) -> int:
    query = dns.message.make_query(DOMAIN, "SOA")
    reply = await dns.asyncquery.udp(query, HOST, timeout=2.0, port=node.ports.dns)
    return int(reply.answer[0][0].serial)
