"""Bytes in, bytes out: the answer to one message, from memory where it was given before."""

from __future__ import annotations

from typing import TypeVar

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.catalog import Catalog
from zonemint.dns.compiled import UDP_SIZE, Compiled, assemble, compile_answer, option
from zonemint.dns.lookup import Answer, resolve

__all__ = ["Responder"]

Value = TypeVar("Value")

_MEMO_ENTRIES = 16_384
"""How many answers each memo holds before it starts afresh: some 10 MB."""
_MEMO_BYTES = 2048
"""The longest answer worth keeping."""

_REFUSED_TYPES = range(128, 255)
"""Meta types (RFC 6895 section 3.1), zone transfers among them; ANY is a question like others."""


class Responder:
    """Answers messages from a catalog.

    exact: whole answers without their id, by the whole message without its id, for the UDP loop to look into
    before it calls `respond`; rcodes: how many answers of each rcode, by transport.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._compiled: dict[bytes, Compiled] = {}
        self.exact: dict[bytes, bytes] = {}
        self.udp_rcodes = [0] * 24
        self.tcp_rcodes = [0] * 24
        catalog.watch(self._forget)

    def _forget(self) -> None:
        self._compiled.clear()
        self.exact.clear()

    def respond(self, message: bytes, *, tcp: bool = False) -> bytes | None:
        """Answer one message; None where silence is right: what is no message, or an answer itself."""
        if len(message) < 12 or message[2] & 0x80:
            return None
        rcodes = self.tcp_rcodes if tcp else self.udp_rcodes
        rcode = codes.FORMERR
        try:
            if message[2] & 0x78:
                rcode = codes.NOTIMP
            else:
                query = wire.parse_query(message)
                return self._answer(message, query, rcodes, tcp=tcp)
        except ForeignDataError:
            pass
        rcodes[rcode] += 1
        return message[:2] + bytes((0x80 | message[2] & 0x79, rcode)) + bytes(8)

    def _answer(self, message: bytes, query: wire.Query, rcodes: list[int], *, tcp: bool) -> bytes:
        if query.version:
            rcodes[codes.BADVERS] += 1
            opt = option(codes.BADVERS, dnssec_ok=query.dnssec_ok)
            head = bytes((0x80 | message[2] & 1, 0, 0, 1, 0, 0, 0, 0, 0, 1))
            return message[:2] + head + message[12 : query.end] + opt
        key = query.name + message[query.end - 4 : query.end]
        compiled = self._compiled.get(key)
        lasting = compiled is not None
        if compiled is None:
            answer = self._resolve(query)
            compiled = compile_answer(query.name, answer)
            lasting = answer.lasting and len(compiled.tail) <= _MEMO_BYTES
            if lasting:
                _keep(self._compiled, key, compiled)
        rcodes[compiled.rcode] += 1
        if tcp:
            return assemble(message, query.end, query.edns, query.dnssec_ok, compiled, 0xFFFF)
        limit = min(query.size, UDP_SIZE)
        reply = assemble(message, query.end, query.edns, query.dnssec_ok, compiled, limit)
        # Letter case and options come in endless variety: such messages must not push others out.
        if lasting and query.plain and message.startswith(query.name, 12):
            _keep(self.exact, message[2:], reply[2:])
        return reply

    def _resolve(self, query: wire.Query) -> Answer:
        if query.type == codes.OPT:
            raise ForeignDataError("OPT cannot be asked for")
        if query.class_ != codes.IN or query.type in _REFUSED_TYPES:
            return Answer(codes.REFUSED, authoritative=False, lasting=False)
        return resolve(self._catalog, query.name, query.type)


def _keep(memo: dict[bytes, Value], key: bytes, value: Value) -> None:
    """Remember, within bounds."""
    if len(memo) >= _MEMO_ENTRIES:
        memo.clear()
    memo[key] = value
