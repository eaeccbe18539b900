"""A name server that is not ours, by dnspython, which says what a test wants it to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["NameServer"]


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers from lines of `NAME TYPE DATA`, aliases one at a time; `rcode` instead, or nothing while `silent`.

    With `chases` it adds what it has for the target of an alias, as a resolver does.
    """

    lines: list[str] = field(default_factory=list)
    rcode: dns.rcode.Rcode | None = None
    silent: bool = False
    chases: bool = False
    authoritative: bool = False
    asked: list[str] = field(default_factory=list)
    address: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NameServer]:
        """Listen on a free port of 127.0.0.1."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(f"{name} {dns.rdatatype.to_text(query.question[0].rdtype)}")
        if not self.silent:
            self._transport.sendto(self._answer(query, name).to_wire(), addr)

    def _answer(self, query: dns.message.Message, name: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        if self.authoritative:
            response.flags |= dns.flags.AA
        if self.rcode is not None:
            response.set_rcode(self.rcode)
            return response
        found = [line.split(" ", 2) for line in self.lines if line.split(" ", 1)[0].lower() == name.lower()]
        if not found:
            response.set_rcode(dns.rcode.NXDOMAIN)
        asked_for = dns.rdatatype.to_text(query.question[0].rdtype)
        for type_ in {type_ for _, type_, _ in found} & {asked_for, "CNAME"}:
            data = [data for _, one, data in found if one == type_]
            response.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", type_, *data))
        target = next((data for _, type_, data in found if type_ == "CNAME" and self.chases), None)
        if target is not None:
            response.answer += self._answer(query, target.removesuffix(".")).answer
        return response
