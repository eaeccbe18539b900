"""Bytes in, bytes out: the answer to one message, from memory where it was given before."""

from __future__ import annotations

from typing import TypeVar

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.catalog import Catalog
from zonemint.dns.compiled import UDP_SIZE, Compiled, assemble, compile_answer, option
from zonemint.dns.lookup import Answer, resolve
from zonemint.dns.zone import Keep

__all__ = ["Responder"]

Key = TypeVar("Key")
Value = TypeVar("Value")

_LASTING = 16_384
"""How many answers about names of the zones each memo holds before it starts afresh: some 10 MB."""
_PASSING = 4_096
"""The same for names that anybody can think of: they must not push the others out."""
_LONGEST = 2048
"""The longest answer worth keeping, in bytes."""

_META_TYPES = range(128, 255)
"""Zone transfers among them (RFC 6895 section 3.1); ANY is a question like others."""


class Responder:
    """Answers messages from a catalog.

    exact, passing: whole answers without their id, by the whole message without its id, for the UDP loop to look
    into before it calls `respond`; udp_rcodes, tcp_rcodes: how many answers there were of each rcode.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._compiled: dict[bytes, Compiled] = {}
        self._negative: dict[tuple[bytes, int, int], Compiled] = {}
        self.exact: dict[bytes, bytes] = {}
        self.passing: dict[bytes, bytes] = {}
        self.udp_rcodes = [0] * 24
        self.tcp_rcodes = [0] * 24
        catalog.watch(self._forget)

    def _forget(self) -> None:
        self._compiled.clear()
        self._negative.clear()
        self.exact.clear()
        self.passing.clear()

    def respond(self, message: bytes, *, tcp: bool = False) -> bytes | None:
        """Answer one message; None where silence is right: what is no message, or an answer itself."""
        if len(message) < 12 or message[2] & 0x80:
            return None
        rcodes = self.tcp_rcodes if tcp else self.udp_rcodes
        rcode = codes.FORMERR
        if message[2] & 0x78:
            rcode = codes.NOTIMP
        else:
            try:
                return self._answer(message, wire.parse_query(message), rcodes, tcp=tcp)
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
        keep = Keep.LASTING
        if compiled is None:
            compiled, keep = self._compile(query)
            if keep is Keep.LASTING:
                _remember(self._compiled, key, compiled, _LASTING)
        rcodes[compiled.rcode] += 1
        if tcp:
            return assemble(message, query.end, query.edns, query.dnssec_ok, compiled, 0xFFFF)
        limit = min(UDP_SIZE, query.size)
        reply = assemble(message, query.end, query.edns, query.dnssec_ok, compiled, limit)
        # Letter case and options come in endless variety: such messages are not worth remembering whole.
        if keep and query.plain and message.startswith(query.name, 12):
            if keep is Keep.LASTING:
                _remember(self.exact, message[2:], reply[2:], _LASTING)
            else:
                _remember(self.passing, message[2:], reply[2:], _PASSING)
        return reply

    def _compile(self, query: wire.Query) -> tuple[Compiled, Keep]:
        answer = self._resolve(query)
        if answer.negative_of is None:
            compiled = compile_answer(query.name, answer)
            return compiled, answer.keep if len(compiled.tail) <= _LONGEST else Keep.NOT
        # What a zone has to say about names that it does not have is the same for all of one length.
        size = len(query.name)
        alike = (answer.negative_of, size, answer.rcode)
        negative = self._negative.get(alike)
        if negative is None:
            negative = compile_answer(query.name, answer, skip=size - len(answer.negative_of))
            _remember(self._negative, alike, negative, _PASSING)
        return negative, answer.keep

    def _resolve(self, query: wire.Query) -> Answer:
        if query.type == codes.OPT:
            raise ForeignDataError("OPT cannot be asked for")
        if query.class_ != codes.IN or query.type in _META_TYPES:
            return Answer(codes.REFUSED, authoritative=False, keep=Keep.NOT)
        return resolve(self._catalog, query.name, query.type)


def _remember(memo: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Keep an answer, and no more than so many."""
    if len(memo) >= most:
        memo.clear()
    memo[key] = value
